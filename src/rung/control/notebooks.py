"""Notebooks that run by a schedule: declared through the API, started by the loop, kept as runs.

What is known of a service's schedules is in its newest event of the kind `notebooks`, which any control plane reads.
A run is on record there before its job begins; one that was to begin while no control plane ran is run once.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

import structlog

from rung import notebooks
from rung.compute import local
from rung.compute.jobs import Ended, Job
from rung.compute.threads import thread_limits
from rung.control.deployment.builds import last_words
from rung.control.servers import author_environment
from rung.errors import ConflictError, NotFoundError
from rung.schedule import Schedule
from rung.training._kept import keep
from rung.training._record import new_run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rung.control.place import Place
    from rung.registry import Registry

__all__ = ["Notebooks", "Scheduled"]

KIND: Final = "notebooks"
_LOOK_EVERY_S: Final = 1.0
_log = structlog.get_logger("rung.control")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """One notebook's schedule, and how far it is."""

    cron: str
    zone: str
    parameters: Mapping[str, Any]
    time_limit_s: float
    actor: str
    """Who declared it."""
    since: datetime
    """When it was declared, or when the last run began: the next one is the first instant after that."""
    run: str | None = None
    """The id of the last run."""

    @property
    def next(self) -> datetime:
        """When it runs next."""
        return Schedule(cron=self.cron, zone=self.zone).after(self.since)

    def begun(self, now: datetime, run: str) -> Self:
        """Give what it is when a run begins."""
        return replace(self, since=now, run=run)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {**asdict(self), "since": self.since.isoformat()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        return cls(**{**data, "since": datetime.fromisoformat(data["since"])})


@dataclass(slots=True)
class Notebooks:
    """Declares schedules and starts what is due."""

    place: Place
    registry: Registry
    _looked: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """Between the loop and the API: what is known is read, changed and written."""

    def scheduled(self, service: str | None = None) -> dict[str, Scheduled]:
        """Give all schedules by the notebooks' names, as `housing/explore`."""
        return {
            f"{owner}/{name}": Scheduled.from_json(told)
            for owner, event in sorted(self.registry.latest(KIND, service).items())
            for name, told in event.data["schedules"].items()
        }

    def declare(self, reference: str, wanted: Scheduled, *, because: str) -> Scheduled:
        """Run a notebook by a schedule from now on, in place of the one that it had.

        Raises:
            NotFoundError: There is no such notebook.
            CallError: The schedule is none, or the notebook is broken, or has no such parameter.
            ConflictError: This Python cannot run notebooks.
        """
        workspace = self.place.workspace
        notebook = notebooks.find(workspace, reference)
        notebook.read().set(wanted.parameters)
        Schedule(cron=wanted.cron, zone=wanted.zone)
        if importlib.util.find_spec("papermill") is None or importlib.util.find_spec("ipykernel") is None:
            raise ConflictError(
                "the control plane cannot run notebooks", hint="pip install 'rung[notebook]' where it runs"
            )
        with self._lock:
            told = because or f"{reference} is run at {wanted.cron!r} ({wanted.zone})"
            self._keep(reference, wanted, because=told, actor=wanted.actor)
        return wanted

    def remove(self, reference: str, *, because: str, actor: str) -> None:
        """Run a notebook by no schedule any more; a run that has begun ends as it would.

        Raises:
            NotFoundError: It has none.
        """
        with self._lock:
            if reference not in self.scheduled(reference.partition("/")[0]):
                raise NotFoundError(
                    f"{reference} has no schedule", hint="`rung notebook schedule` names those that have"
                )
            self._keep(reference, None, because=because or f"{reference} is run no more", actor=actor)

    def status(self, scheduled: Scheduled) -> str:
        """Tell how the last run is, or ended; nothing when there was none."""
        if scheduled.run is None:
            return ""
        try:
            return str(self.registry.run(scheduled.run)["status"])
        except NotFoundError:
            return "running"

    def looks(self) -> list[Callable[[], None]]:
        """Give what is to be done for each schedule, when it is time to look: to start what is due, keep what ended."""
        if time.monotonic() - self._looked < _LOOK_EVERY_S:
            return []
        self._looked = time.monotonic()
        return [partial(self._look, reference, scheduled) for reference, scheduled in self.scheduled().items()]

    def _look(self, reference: str, scheduled: Scheduled) -> None:
        if scheduled.run is not None and not self._is_over(reference, scheduled, Job(self._folder(reference))):
            return
        now = datetime.now(UTC)
        if scheduled.next <= now:
            self._begin(reference, scheduled, now)

    def _begin(self, reference: str, seen: Scheduled, now: datetime) -> None:
        with self._lock:
            scheduled = self.scheduled(reference.partition("/")[0]).get(reference)
            if scheduled != seen:  # changed meanwhile: the next look sees it
                return
            begun = scheduled.begun(now, new_run_id(reference.partition("/")[0]))
            because = f"{reference} is run as {begun.run}: it was due at {scheduled.next:%Y-%m-%d %H:%M} UTC"
            self._keep(reference, begun, because=because, actor="rung")
        self._start(reference, begun, Job(self._folder(reference)))

    def _is_over(self, reference: str, scheduled: Scheduled, job: Job) -> bool:
        """Tell whether the last run has ended and is on record; see to both."""
        assert scheduled.run is not None  # noqa: S101  asked of those that have one
        if _run_of(job) != scheduled.run:
            if self._is_known(scheduled.run):  # another machine's control plane ran it
                return True
            self._start(reference, scheduled, job)
            return False
        state = job.state()
        if state == "absent":
            self._start(reference, scheduled, job)
        elif isinstance(state, Ended) and not self._is_known(scheduled.run):
            self._keep_run(reference, scheduled.run, job)
        return isinstance(state, Ended)

    def _start(self, reference: str, scheduled: Scheduled, job: Job) -> None:
        assert scheduled.run is not None  # noqa: S101  it was just given one
        if job.state() == "running":
            return
        shutil.rmtree(job.folder, ignore_errors=True)
        job.folder.mkdir(parents=True)
        (job.folder / "run").write_text(scheduled.run)
        options = ("--parameters", json.dumps(dict(scheduled.parameters)), "--time-limit", str(scheduled.time_limit_s))
        workspace, service = self.place.workspace, reference.partition("/")[0]
        variables = {
            **author_environment(workspace, service),
            **thread_limits(2),
            "PYTHONUNBUFFERED": "1",
            "RUNG_STATE": str(workspace.state),
            "RUNG_DATASETS": self.place.datasets,
            "RUNG_RUN": scheduled.run,
            "RUNG_USER": scheduled.actor,
        }
        argv = (sys.executable, "-m", "rung.notebooks.execute", reference, *options, "--run", scheduled.run)
        job.start(local.Command(argv=argv, folder=workspace.root, environment=variables))
        _log.info("notebook_started", notebook=reference, run=scheduled.run)

    def _keep_run(self, reference: str, run: str, job: Job) -> None:
        """Put an ended run on record: its process has no way to the registry, nor to the storage."""
        workspace = self.place.workspace
        notebook = notebooks.find(workspace, reference)
        record = notebooks.cut_off(workspace, notebook, run, because=f"its process ended: {last_words(job)}")
        keep(workspace, record)
        self.registry.record_run(record.to_json())
        if record.status != "succeeded":
            because = f"{reference} failed as {run}: {record.error}"
            self.registry.record_event("notebook_failed", record.service, because=because, actor="rung", run=run)

    def _is_known(self, run: str) -> bool:
        try:
            self.registry.run(run)
        except NotFoundError:
            return False
        return True

    def _keep(self, reference: str, scheduled: Scheduled | None, *, because: str, actor: str) -> None:
        service, _, name = reference.partition("/")
        event = self.registry.latest(KIND, service).get(service)
        schedules = {} if event is None else dict(event.data["schedules"])
        schedules.pop(name, None)
        if scheduled is not None:
            schedules[name] = scheduled.to_json()
        self.registry.record_event(KIND, service, because=because, actor=actor, schedules=schedules)

    def _folder(self, reference: str) -> Path:
        return self.place.workspace.state / "notebooks" / reference.replace("/", ".")


def _run_of(job: Job) -> str | None:
    try:
        return (job.folder / "run").read_text()
    except FileNotFoundError:
        return None
