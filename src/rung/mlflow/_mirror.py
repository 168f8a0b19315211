"""Hands runs and revisions over to MLflow: what is not there yet, in order, each visible there at most once.

What was handed over is in a list beside the state, by tracking server; a list that is lost costs time and makes nothing
twice, since a run is looked for by its id first. Whoever calls it sees to it that nobody else does.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rung.lifecycle import State
from rung.mlflow._connect import ARTIFACTS, answering
from rung.mlflow._facts import REVISION, RUN, STATE, aliases, is_ours, run_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from rung.mlflow._facts import RunFacts
    from rung.registry import Registry
    from rung.schema import RevisionName
    from rung.workspace import Workspace

__all__ = ["Mirrored", "behind", "mirror"]

_T = TypeVar("_T")
_IN_A_BATCH: Final = 100  # parameters, tags or metrics that MLflow takes at once
_UNTRAINED: Final = frozenset({State.TRAINING, State.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """What was done."""

    runs: int
    """That were handed over."""
    models: int
    """Revisions that were registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    """One tracking server, as one workspace uses it."""

    client: Any
    tracking: str
    workspace: Workspace

    def experiment(self, service: str) -> str:
        """Give the id of a service's experiment; make it when there is none."""
        found = self.client.get_experiment_by_name(service)
        if found is not None:
            return str(found.experiment_id)
        own = (self.workspace.state / ARTIFACTS / service).as_uri() if self.tracking.startswith("sqlite:") else None
        return str(self.client.create_experiment(service, artifact_location=own))

    def run(self, experiment: str, run: str) -> str | None:
        """Give MLflow's id of a run."""
        found = self.client.search_runs([experiment], f"tags.`{RUN}` = '{run}'", max_results=1)
        return str(found[0].info.run_id) if found else None


def behind(workspace: Workspace, registry: Registry, tracking: str) -> list[str]:
    """Give the ids of runs that MLflow does not have yet, the oldest first."""
    done = _done(_journal(workspace, tracking))
    return [run for run in registry.ended_runs() if run not in done]


def mirror(
    workspace: Workspace,
    registry: Registry,
    client: Any,
    *,
    tracking: str,
    report: Callable[[str], None] = lambda _: None,
) -> Mirrored:
    """Hand over all runs that MLflow does not have, then the revisions with their aliases; one process at a time does.

    Args:
        workspace: Whose runs they are.
        registry: Of the workspace.
        client: Of MLflow.
        tracking: As in rung.toml.
        report: Is told what was done, one line at a time.

    Raises:
        UnavailableError: MLflow refused; what was handed over before stays there and is not handed over again.
    """
    server, journal = _Server(client=client, tracking=tracking, workspace=workspace), _journal(workspace, tracking)
    runs = models = 0
    with answering(tracking):
        while waiting := behind(workspace, registry, tracking):  # also what came meanwhile
            for run in waiting:
                _hand_over(server, registry.run(run))
                _note(journal, run)
                runs += 1
                report(f"{run} was handed over")
        for service in sorted({revision.name.service for revision in registry.revisions()}):
            models += _register(server, registry, service, report)
    return Mirrored(runs=runs, models=models)


def _hand_over(server: _Server, record: dict[str, Any]) -> None:
    """Make a run there, or complete one that was begun."""
    from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415  optional: the extra `mlflow`

    facts = run_facts(record)
    experiment = server.experiment(record["service"])
    run = server.run(experiment, facts.name) or _create(server, experiment, facts)
    for names in _batches(facts.parameters):
        server.client.log_batch(run, params=[Param(name, facts.parameters[name]) for name in names])
    for names in _batches(facts.metrics):
        told = [Metric(name, facts.metrics[name], facts.ended_ms, 0) for name in names]
        server.client.log_batch(run, metrics=told)
    for name, points in facts.histories.items():
        for batch in _batches(points):
            history = [Metric(name, value, facts.ended_ms, step) for step, value in batch]
            server.client.log_batch(run, metrics=history)
    for names in _batches(facts.tags):
        server.client.log_batch(run, tags=[RunTag(name, facts.tags[name]) for name in names])
    server.client.set_terminated(run, facts.status, end_time=facts.ended_ms)


def _batches(values: Iterable[_T]) -> Iterator[list[_T]]:
    found = list(values)
    return (found[start : start + _IN_A_BATCH] for start in range(0, len(found), _IN_A_BATCH))


def _create(server: _Server, experiment: str, facts: RunFacts) -> str:
    made = server.client.create_run(
        experiment, start_time=facts.started_ms, tags={RUN: facts.name}, run_name=facts.name
    )
    return str(made.info.run_id)


def _register(server: _Server, registry: Registry, service: str, report: Callable[[str], None]) -> int:
    """Register the trained revisions of a service, and let its aliases say what they are now."""
    states = {revision.name: revision.state for revision in registry.revisions(service)}
    trained = [name for name, state in states.items() if state not in _UNTRAINED]
    if not trained:
        return 0
    if not server.client.search_registered_models(f"name='{service}'"):
        server.client.create_registered_model(service, description=f"Revisions of {service}, as Rung serves them")
    versions = _versions(server, service)
    missing = [name for name in trained if name not in versions]
    for name in missing:
        versions[name] = _create_version(server, name)
        report(f"{name} is version {versions[name]} of {service}")
    for name, version in versions.items():
        server.client.set_model_version_tag(service, version, STATE, str(states.get(name, "gone")))
    _set_aliases(server, service, aliases(states, versions))
    return len(missing)


def _versions(server: _Server, service: str) -> dict[RevisionName, str]:
    from rung.schema import RevisionName  # noqa: PLC0415  beside the only use

    found = server.client.search_model_versions(f"name='{service}'", max_results=10_000)
    return {RevisionName.parse(one.tags[REVISION]): str(one.version) for one in found if REVISION in one.tags}


def _create_version(server: _Server, name: RevisionName) -> str:
    run = server.run(server.experiment(name.service), str(name))
    made = server.client.create_model_version(
        name.service, f"rung:///{name}", run_id=run, tags={REVISION: str(name)}, await_creation_for=0
    )
    return str(made.version)


def _set_aliases(server: _Server, service: str, wanted: dict[str, str]) -> None:
    now = {alias: str(version) for alias, version in server.client.get_registered_model(service).aliases.items()}
    for alias in now.keys() - wanted.keys():
        if is_ours(alias):
            server.client.delete_registered_model_alias(service, alias)
    for alias, version in wanted.items():
        if now.get(alias) != version:
            server.client.set_registered_model_alias(service, alias, version)


def _journal(workspace: Workspace, tracking: str) -> Path:
    """Give the list of what one tracking server has."""
    name = hashlib.sha256(tracking.encode()).hexdigest()[:12]
    return workspace.state / "mlflow" / f"{name}.runs"


def _done(journal: Path) -> set[str]:
    try:
        return set(journal.read_text(encoding="utf-8").split())
    except FileNotFoundError:
        return set()


def _note(journal: Path, run: str) -> None:
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a", encoding="utf-8") as file:
        file.write(f"{run}\n")
