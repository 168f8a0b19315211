"""What the task that runs now may ask for: files whose content counts, outputs that are ready, things to keep."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rung.errors import ConflictError, NotFoundError
from rung.training._data import read_dataset, read_file
from rung.training._fetch import fetch
from rung.training._trial import Trial, checked, judge
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rung.data import Dataset
    from rung.workspace import Workspace


@dataclass(slots=True, kw_only=True)
class TaskContext:
    """One task while it runs."""

    workspace: Workspace
    service: str
    task: str
    output: Callable[[str], Any]
    """Gives the output of a task that is ready; raises NotFoundError for others."""
    kept: dict[str, Any] = field(default_factory=dict)
    """Further artifacts, by name."""
    data: list[dict[str, Any]] = field(default_factory=list)
    """What the task read: see `_data`."""
    conversions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Verdicts on converted models, by artifact."""
    reports: list[list[float]] = field(default_factory=list)
    """What the task reported on its way: `[step, value]`."""
    trial: Trial | None = None
    """Of which study this is a trial."""


running: ContextVar[TaskContext | None] = ContextVar("running", default=None)

under_way: list[TaskContext] = []
"""All that run now: a thread that a task starts has no context of its own, and its data must count all the same."""


def current(caller: str) -> TaskContext:
    """Give the task that runs now.

    Raises:
        ConflictError: None does.
    """
    context = running.get()
    if context is None:
        raise ConflictError(f"{caller} was called outside a task", hint="call it in a task of an Experiment")
    return context


def data_file(name: str) -> Path:
    """Give a file of the workspace to read, and make its content count.

    The digest over all of its bytes is kept in the run's record, and the task's output is taken from the cache only
    while the content is the same. Outside a task it only finds the file.

    Args:
        name: Path from the workspace's root, as `data/houses.parquet`.

    Raises:
        NotFoundError: There is no such file.
    """
    workspace, contexts = _workspace(), _contexts()
    path = workspace.root / name
    if not path.is_file():
        raise NotFoundError(
            f"there is no data file {name!r} in {workspace.root}", hint="name it from the workspace's root"
        )
    if contexts:
        _record(read_file(workspace.root, name), contexts)
    return path


def fetched(url: str, *, sha256: str) -> Path:
    """Give a file from elsewhere to read, and make its content count as `data_file` does.

    It is fetched once, kept in the workspace's cache by its digest, and held against that whenever it is asked for.

    Args:
        url: One file, as `https://example.org/words.txt` or `s3://bucket/words.txt`.
        sha256: The digest of its content, in hexadecimal.

    Raises:
        CallError: The URL names no single file elsewhere, its server refuses, or the digest is none.
        NotFoundError: There is no such file.
        UnavailableError: Its server does not answer; the same again works when it does.
        IntegrityError: Its content has another digest; the message tells it.
    """
    read, path = fetch(_workspace(), url, sha256)
    _record(read, _contexts())
    return path


def report(step: int, value: float) -> None:
    """Report how good a model is on its way: after an epoch, after so many trees.

    Reports are kept with the task. A trial of `rung tune` that is behind ends here, with an exception that is not to be
    caught. Outside a task nothing happens.

    Args:
        step: A whole number from 0 on that grows, counted alike in every trial.
        value: Of the metric that is tuned, or of one that is better the same way, on rows that are not trained on.

    Raises:
        CallError: The step is no such number, or the value none.
        PrunedError: This trial is behind.
    """
    told = checked(step, value)
    for context in _contexts():
        context.reports.append(told)
        judge(context.trial, context.task, context.reports)


def notice_dataset(dataset: Dataset) -> None:
    """Put on record that the task that runs now reads a dataset: its content counts as a file's does."""
    _record(read_dataset(dataset), _contexts())


def _workspace() -> Workspace:
    contexts = _contexts()
    return contexts[0].workspace if contexts else find()


def _contexts() -> list[TaskContext]:
    own = running.get()
    return list(under_way) if own is None else [own]


def _record(read: dict[str, Any], contexts: list[TaskContext]) -> None:
    for context in contexts:
        if read not in context.data:
            context.data.append(read)
