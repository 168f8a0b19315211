"""Who gets traffic, from the registry's rows alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rung.gateway import Backend, Challenger, Limits, Production, Routing, Shadow, Split
from rung.lifecycle import MIRRORED, SERVED, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rung import registry
    from rung.gateway import Consumer
    from rung.registry import Experiment, Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a revision's servers listen."""

    addresses: tuple[str, ...]
    """`unix:/...` or `address:port`, one for each replica."""
    timeout_s: float
    unit_header: str
    limits: Limits = field(default_factory=Limits)


def is_served(revision: Revision, now: datetime) -> bool:
    """Tell whether a revision has a server: also a retired one, while it is kept warm for a rollback."""
    warm = revision.warm_until is not None and revision.warm_until > now
    return revision.state in SERVED or (revision.state is State.RETIRED and warm)


def routing(
    revisions: Sequence[Revision],
    experiments: Sequence[Experiment],
    shadows: Sequence[registry.Shadow],
    endpoints: Mapping[str, Endpoint],
    *,
    outcomes: str,
    server_token: str | None = None,
    guarded: Sequence[str] = (),
    consumers: Sequence[Consumer] = (),
) -> Routing:
    """Say what the gateway shall route.

    A revision is reachable at its own path from the moment it is a candidate, while it has a server. Production goes to
    the incumbent, split with the challengers of a running experiment, and is mirrored to shadows.

    Args:
        revisions: All that the registry knows.
        experiments: Those that run.
        shadows: Those that have not ended.
        endpoints: Of the revisions that have a server, by name.
        outcomes: Endpoint of the collector.
        server_token: What servers with an address demand.
        guarded: Services that answer only who has a key.
        consumers: Who has one.
    """
    shown = [r for r in revisions if str(r.name) in endpoints and r.state is not State.DEPLOYING]
    majors: dict[tuple[str, int], list[Revision]] = {}
    for revision in shown:
        majors.setdefault((revision.name.service, revision.name.major), []).append(revision)
    return Routing(
        backends=tuple(_backend(str(revision.name), endpoints[str(revision.name)]) for revision in shown),
        productions=tuple(
            _production(members, experiments, shadows, endpoints) for _, members in sorted(majors.items())
        ),
        outcomes=outcomes,
        server_token=server_token,
        guarded=tuple(guarded),
        consumers=tuple(consumers),
    )


def _backend(name: str, endpoint: Endpoint) -> Backend:
    return Backend(revision=name, endpoints=endpoint.addresses, timeout_s=endpoint.timeout_s, limits=endpoint.limits)


def _production(
    revisions: Sequence[Revision],
    experiments: Sequence[Experiment],
    shadows: Sequence[registry.Shadow],
    endpoints: Mapping[str, Endpoint],
) -> Production:
    states = {str(revision.name): revision.state for revision in revisions}
    incumbent = next((name for name, state in states.items() if state is State.INCUMBENT), None)
    split = _split(incumbent, states, experiments)
    mirrored = [shadow for shadow in shadows if states.get(str(shadow.revision)) in MIRRORED] if incumbent else []
    return Production(
        service=revisions[0].name.service,
        major=revisions[0].name.major,
        incumbent=incumbent,
        split=split,
        shadows=tuple(Shadow(revision=str(shadow.revision), share=shadow.share) for shadow in mirrored),
        unit_header=endpoints[incumbent].unit_header if incumbent else "x-unit-id",
        standby=_standby(revisions, split) if incumbent else None,
    )


def _standby(revisions: Sequence[Revision], split: Split | None) -> str | None:
    """Give who answers while the incumbent does not: its predecessor that is kept warm, or else a challenger."""
    warm = [revision for revision in revisions if revision.state is State.RETIRED]
    if warm:
        return str(max(warm, key=lambda revision: revision.since).name)
    tried = [challenger.revision for challenger in split.challengers if challenger.share > 0] if split else []
    return next(iter(tried), None)


def _split(incumbent: str | None, states: Mapping[str, State], experiments: Sequence[Experiment]) -> Split | None:
    """Give the split of the experiment that runs against the incumbent, of the arms that can answer."""
    for experiment in experiments:
        arms = [
            Challenger(revision=name, share=share)
            for name, share in experiment.shares.items()
            if name != incumbent and states.get(name) is State.EXPERIMENTING
        ]
        if str(experiment.incumbent) == incumbent and arms:
            salt = f"{experiment.id}-{len(experiment.splits)}" if experiment.is_bandit else None
            return Split(experiment=experiment.id, challengers=tuple(arms), bandit=experiment.is_bandit, salt=salt)
    return None
