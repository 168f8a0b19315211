"""Who gets traffic, from the registry's rows alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung.gateway import Backend, Production, Routing, Split
from rung.lifecycle import SERVED, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rung.registry import Experiment, Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a revision's server listens."""

    address: str
    """`unix:/...`"""
    timeout_s: float
    unit_header: str


def is_served(revision: Revision, now: datetime) -> bool:
    """Tell whether a revision has a server: also a retired one, while it is kept warm for a rollback."""
    warm = revision.warm_until is not None and revision.warm_until > now
    return revision.state in SERVED or (revision.state is State.RETIRED and warm)


def routing(
    revisions: Sequence[Revision],
    experiments: Sequence[Experiment],
    endpoints: Mapping[str, Endpoint],
    *,
    outcomes: str,
) -> Routing:
    """Say what the gateway shall route.

    A revision is reachable at its own path from the moment it is a candidate, while it has a server. Production goes to
    the incumbent, split with the challenger of a running experiment.

    Args:
        revisions: All that the registry knows.
        experiments: Those that run.
        endpoints: Of the revisions that have a server, by name.
        outcomes: Endpoint of the collector.
    """
    shown = [r for r in revisions if str(r.name) in endpoints and r.state is not State.DEPLOYING]
    majors: dict[tuple[str, int], list[Revision]] = {}
    for revision in shown:
        majors.setdefault((revision.name.service, revision.name.major), []).append(revision)
    return Routing(
        backends=tuple(_backend(str(revision.name), endpoints[str(revision.name)]) for revision in shown),
        productions=tuple(_production(members, experiments, endpoints) for _, members in sorted(majors.items())),
        outcomes=outcomes,
    )


def _backend(name: str, endpoint: Endpoint) -> Backend:
    return Backend(revision=name, endpoints=(endpoint.address,), timeout_s=endpoint.timeout_s)


def _production(
    revisions: Sequence[Revision], experiments: Sequence[Experiment], endpoints: Mapping[str, Endpoint]
) -> Production:
    states = {revision.name: revision.state for revision in revisions}
    incumbent = next((name for name, state in states.items() if state is State.INCUMBENT), None)
    running = next(
        (
            experiment
            for experiment in experiments
            if experiment.incumbent == incumbent and states.get(experiment.challenger) is State.EXPERIMENTING
        ),
        None,
    )
    split: Split | None = None
    if running is not None:
        split = Split.ab(experiment=running.id, challenger=str(running.challenger), share=running.design["share"])
    return Production(
        service=revisions[0].name.service,
        major=revisions[0].name.major,
        incumbent=str(incumbent) if incumbent else None,
        split=split,
        unit_header=endpoints[str(incumbent)].unit_header if incumbent else "x-unit-id",
    )
