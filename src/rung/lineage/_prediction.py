"""Who answered a request, with which code, data and artifacts, why that revision answered then, and what came of it.

`rung why PREDICTION` asks it, directly or through the control plane.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rung import artifacts
from rung.errors import NotFoundError
from rung.lifecycle import State
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from rung.lake import Lake
    from rung.registry import Event, Registry

__all__ = ["outcomes_of", "trace"]

_TRACED: Final = ("commit", "branch", "dirty", "patch", "environment", "hyperparameters", "metrics")
_STATES: Final = frozenset(map(str, State))
_INTERNAL: Final = ("id_key", "unit_key", "date", "major", "minor")


def trace(prediction: str, *, registry: Registry, lake: Lake, state: Path) -> dict[str, Any]:
    """Trace a prediction to its revision, and to the code, data and artifacts that the revision was made of.

    Args:
        prediction: Its id, the `x-request-id` of the answer.
        registry: Of the workspace.
        lake: Of the workspace; what is in its logs is shipped first.
        state: The workspace's state folder; formats of artifacts that are not there are not told.

    Returns:
        The row of the log (JSON of the service as text), and `run`; `made_of`: commit, patch, environment, data and
        artifacts; `decision`: the state of the revision then, since when and why; `outcomes`, in the order of time.

    Raises:
        NotFoundError: No prediction of that id was logged.
    """
    lake.ship()
    row = lake.prediction(prediction)
    if row is None:
        raise NotFoundError(f"there is no prediction {prediction!r}", hint="it is the x-request-id of an answer")
    name = RevisionName.parse(row["revision"])
    revision = registry.revision(name)
    run = registry.run(revision.run)
    kept = {task["name"]: task["digest"] for task in run["tasks"]}
    for task in run["tasks"]:
        kept |= task.get("kept", {})
    made_of = {
        **{part: run[part] for part in _TRACED},
        "data": [read for task in run["tasks"] for read in task["data"]],
        "artifacts": kept,
        "formats": _formats(state, kept),
    }
    return {
        **{key: value for key, value in row.items() if key not in _INTERNAL},
        "run": revision.run,
        "made_of": made_of,
        "decision": _decision(registry, name, row["time"]),
        "outcomes": outcomes_of(lake, row),
    }


def outcomes_of(lake: Lake, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the outcomes that belong to one answer: those that name it, and those of its unit before the next answer.

    Args:
        lake: Of the workspace.
        row: Of the prediction.

    Returns:
        Of each, in the order of time: metric, value, at (RFC 3339).
    """
    from rung.lake._came import of_answer  # noqa: PLC0415  polars comes with it

    came = of_answer(lake.predictions(), lake.outcomes(), row)
    return [{"metric": metric, "value": value, "at": at.isoformat()} for metric, value, at in came.iter_rows()]


def _formats(state: Path, kept: dict[str, str]) -> dict[str, str]:
    store = artifacts.LocalStore(state / "artifacts")
    return {name: artifacts.describe(store.path(digest)).format for name, digest in kept.items() if store.has(digest)}


def _decision(registry: Registry, name: RevisionName, at: datetime) -> dict[str, Any] | None:
    """Tell which state the revision was in at an instant, since when, and why; None when that was before any event."""
    last: Event | None = None
    for event in _events(registry, name.service):
        if event.subject == str(name) and event.kind in _STATES and event.time <= at:
            last = event
    if last is None:
        return None
    return {"state": last.kind, "since": last.time.isoformat(), "because": last.because, "actor": last.actor}


def _events(registry: Registry, service: str) -> Iterator[Event]:
    after = 0
    while events := registry.events(after=after, service=service):
        yield from events
        after = events[-1].id
