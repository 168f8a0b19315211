"""What MLflow is told of runs and revisions. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from rung.lifecycle import State
from rung.training.learning import learning_curves

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rung.schema import RevisionName

__all__ = ["REVISION", "RUN", "STATE", "RunFacts", "aliases", "is_ours", "run_facts"]

RUN: Final = "rung.run"
REVISION: Final = "rung.revision"
STATE: Final = "rung.state"
_LONGEST_VALUE: Final = 5_000  # characters; MLflow takes 6,000 of a parameter and 8,000 of a tag
_LONGEST_NAME: Final = 250
_REFUSED: Final = re.compile(r"[^\w\-. /]")
_OURS: Final = re.compile(r"(v\d+-)?(incumbent|challenger)|v\d+-m\d+")
_ENDED: Final = {"succeeded": "FINISHED", "failed": "FAILED"}
_ROLES: Final = {State.INCUMBENT: "incumbent", State.EXPERIMENTING: "challenger"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """A run as MLflow has it."""

    name: str
    started_ms: int
    """Since 1970."""
    ended_ms: int
    status: str
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    histories: Mapping[str, tuple[tuple[int, float], ...]]
    """What tasks reported on their way: step and value, by the name of the metric."""
    tags: Mapping[str, str]


def run_facts(record: Mapping[str, Any]) -> RunFacts:
    """Tell of a run that ended.

    Args:
        record: A `RunRecord` as JSON data.
    """
    started, seconds = _milliseconds(record["started"]), float(record.get("seconds") or 0.0)
    ended = record.get("ended")
    return RunFacts(
        name=record["id"],
        started_ms=started,
        ended_ms=_milliseconds(ended) if ended else started + round(seconds * 1_000),
        status=_ENDED.get(record["status"], "KILLED"),
        parameters={_name(name): _cut(value) for name, value in record["hyperparameters"].items()},
        metrics={_name(name): float(value) for name, value in record["metrics"].items() if math.isfinite(value)},
        histories={_name(f"{one.task}.reported"): one.points for one in learning_curves(record)},
        tags={_name(name): _cut(value) for name, value in _tags(record).items() if value not in {None, ""}},
    )


def aliases(states: Mapping[RevisionName, State], versions: Mapping[RevisionName, str]) -> dict[str, str]:
    """Give the aliases of a service's registered model: each revision's own, and the roles that revisions have.

    `incumbent` and `challenger` are those of the newest major that has one; `v1-incumbent` is that of the first. An
    alias takes no dot, so `housing.v1.m2` is `v1-m2`.

    Args:
        states: Of all revisions of the service.
        versions: Numbers of the model's versions, by revision.
    """
    found = {f"v{name.major}-m{name.minor}": version for name, version in versions.items()}
    for name in sorted(versions):
        role = _ROLES.get(states.get(name, State.FAILED))
        if role is not None:
            found |= {role: versions[name], f"v{name.major}-{role}": versions[name]}
    return found


def is_ours(alias: str) -> bool:
    """Tell whether an alias is one that `aliases` gives: others are people's own and stay.

    >>> is_ours("v1-incumbent"), is_ours("shop")
    (True, False)
    """
    return _OURS.fullmatch(alias) is not None


def _tags(record: Mapping[str, Any]) -> dict[str, Any]:
    source = record.get("source") or f"experiments.{record['service']}.train.main"
    return {
        "mlflow.user": record.get("user"),
        "mlflow.source.name": source,
        "mlflow.source.type": "NOTEBOOK" if record.get("kind") == "notebook" else "LOCAL",
        "mlflow.source.git.commit": record.get("commit"),
        "rung.service": record["service"],
        "rung.kind": record.get("kind", "training"),
        REVISION: record.get("revision"),
        "rung.dirty": "true" if record.get("dirty") else "false",
        "rung.environment": record.get("environment"),
        "rung.error": record.get("error"),
        "rung.failed_tests": ", ".join(record.get("failed_tests", ())),
        **dict(_outputs(record["tasks"])),
        **{f"rung.read.{read['path']}": read["digest"] for task in record["tasks"] for read in task.get("data", ())},
    }


def _outputs(tasks: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Any]]:
    """Name artifacts by reference: their digest is where they are in Rung's store."""
    for task in tasks:
        yield f"rung.artifact.{task['name']}", task.get("digest")
        for name, digest in task.get("kept", {}).items():
            yield f"rung.artifact.{name}", digest


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1_000)


def _name(name: str) -> str:
    """Spell a name as MLflow takes it."""
    return _REFUSED.sub("_", name)[:_LONGEST_NAME]


def _cut(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
