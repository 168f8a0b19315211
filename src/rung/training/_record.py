"""The record of one run of a training: `run.json` in the run's folder, written before anything else knows of it."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rung.errors import IntegrityError, NotFoundError, UnavailableError
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORD = "run.json"
LOG = "log.txt"
PATCH = "diff.patch"


@dataclass(slots=True, kw_only=True)
class TaskRecord:
    """What became of one task."""

    name: str
    key: str
    """Fingerprint of all that the output depends on."""
    state: str
    """`ran`, `cached` or `failed`."""
    because: str
    """Why it ran, or was taken from the cache."""
    seconds: float = 0.0
    digest: str | None = None
    """Of the artifact."""
    size: int = 0
    """Bytes of the artifact."""
    kept: dict[str, str] = field(default_factory=dict)
    """Further artifacts that the task kept, name to digest."""
    data: list[dict[str, Any]] = field(default_factory=list)
    """Files that it read: path, digest over all bytes, size."""
    closure: str = ""
    """Digest of the code that it reaches."""
    error: str | None = None
    """What it raised, when it failed."""
    drew_seed: int | None = None
    """The seed, when it drew from the global random generators; then its output depends on it."""
    reports: list[list[float]] = field(default_factory=list)
    """What it reported on its way: `[step, value]`."""
    conversions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Whether a converted model may be served, by artifact: `rung.conversion.Verdict` as data."""


@dataclass(slots=True, kw_only=True)
class RunRecord:
    """One execution of a training module, or of a notebook; or what another tool had on record of one."""

    id: str
    service: str
    kind: str = "training"
    """`training`, `trial`, `notebook` or `imported`."""
    source: str | None = None
    """What it is of, where that is no training: `housing-1#12`, a study and its trial; `housing/explore`, a notebook;
    `mlflow:` and the run's id there."""
    status: str
    """`running`, `succeeded`, `failed` or, of a trial, `pruned`; a running one whose process is gone has crashed."""
    started: str
    """RFC 3339, UTC."""
    user: str
    python: str
    rung: str
    pid: int
    commit: str | None = None
    branch: str | None = None
    dirty: bool = False
    patch: str | None = None
    """Digest of the difference to the commit, when dirty."""
    environment: str = ""
    """Digest of the installed distributions."""
    requirements: str | None = None
    """Digest of the service's requirements.txt."""
    seed: int = 0
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    """Hyperparameters that were set for this run, as they were given."""
    tasks: list[TaskRecord] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    failed_tests: list[str] = field(default_factory=list)
    """Regression tests that did not pass."""
    ended: str | None = None
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    exit_code: int | None = None
    error: str | None = None
    revision: str | None = None
    """The revision that this run trains, when deployed."""

    @property
    def artifacts(self) -> dict[str, str]:
        """All artifacts of the run, task name to digest."""
        found = {task.name: task.digest for task in self.tasks if task.digest}
        for task in self.tasks:
            found.update(task.kept)
        return found

    @property
    def conversions(self) -> dict[str, dict[str, Any]]:
        """Whether a converted model is served, by artifact."""
        return {name: verdict for task in self.tasks for name, verdict in task.conversions.items()}

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunRecord:
        """Read what `to_json` gave."""
        return cls(**{**data, "tasks": [TaskRecord(**task) for task in data["tasks"]]})

    def write(self, folder: Path, *, durable: bool = False) -> None:
        """Write it into the run's folder, whole or not at all.

        Raises:
            UnavailableError: The disk is full or the folder cannot be written.
        """
        data = json.dumps(self.to_json(), indent=1, default=str).encode()
        try:
            write_atomically(folder / RECORD, data, durable=durable)
        except OSError as error:
            raise UnavailableError(
                f"cannot write the record of run {self.id} ({error.strerror})",
                hint="free some space, or check who may write there",
            ) from error


def read_run(folder: Path) -> RunRecord:
    """Read the record of a run.

    Raises:
        NotFoundError: The folder holds no run.
        IntegrityError: The record cannot be read.
    """
    path = folder / RECORD
    try:
        return RunRecord.from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise NotFoundError(f"there is no run {folder.name!r}", hint="`rung runs list` names them") from None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise IntegrityError(f"{path} is not the record of a run ({error})", hint="`rung doctor` tells more") from error


def list_runs(runs: Path, service: str | None = None) -> Iterator[RunRecord]:
    """Give the records of all runs, the newest first; folders without one (just begun) are passed over."""
    pattern = f"{service}-*" if service else "*"
    for folder in sorted(runs.glob(pattern), key=lambda path: path.name.partition("-")[2], reverse=True):
        if (folder / RECORD).is_file():
            record = read_run(folder)
            if service is None or record.service == service:
                yield record


def new_run_id(service: str) -> str:
    """Make an id that sorts by time, to the millisecond: `housing-20261121-093012-1f3a07c`."""
    now = time.time()
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    return f"{service}-{moment}-{int(now % 1 * 1_000):03x}{secrets.token_hex(2)}"


def utc_now() -> str:
    """Tell the time as RFC 3339 in UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def user_name() -> str:
    """Tell who runs this."""
    try:
        return os.environ.get("RUNG_USER") or getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        return f"uid {os.getuid()}"
