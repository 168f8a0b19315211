"""The runs of a study: each a process on the compute that was asked for, with a record as every training has one."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rung import __version__
from rung.compute.local import Command
from rung.compute.protocol import Machine, Work
from rung.compute.threads import thread_limits
from rung.control.servers import author_environment
from rung.data import open_catalogue
from rung.errors import IntegrityError, NotFoundError, UnavailableError
from rung.registry import record_run
from rung.training import RunRecord, read_run
from rung.training import _kept as kept
from rung.training._record import new_run_id, user_name, utc_now
from rung.tuning._storage import folder_of
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rung.compute.protocol import Compute, Handle, Seen
    from rung.infrastructure import TrainingHardware
    from rung.tuning._kit import Kit
    from rung.workspace import Workspace

__all__ = ["Ended", "Runs", "Started"]

_POLL_S = 0.05
_GRACE_S = 5.0
_AGAIN_S = 5.0  # after a storage that did not give back what a trial left
_PATIENCE_S = 3600.0  # then the study is stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A run that has begun."""

    run: str
    name: str  # "housing-1#12"
    settings: Mapping[str, str]
    handle: Handle
    since: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that is over."""

    started: Started
    record: RunRecord


@dataclass(slots=True, kw_only=True)
class Runs:
    """Starts runs of one study, and looks how they are."""

    workspace: Workspace
    service: str
    study: str
    compute: Compute
    hardware: TrainingHardware
    threads: int  # of numerical libraries, in each run
    kit: Kit | None = None  # what they run on a cluster, where there is a storage
    _steps: dict[str, list[str]] = field(default_factory=dict)
    """Of the defaults, which run first: trials on other nodes go on from them."""
    _late: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Runs that have ended and are not back yet: when that was seen, and when they are asked for again."""

    def share(self, run: str) -> None:
        """Let later trials recall the tasks of a run that is over, wherever they run.

        Raises:
            UnavailableError: The storage does not take them.
        """
        record = self._read(run)
        if self.kit is not None and record is not None:
            self._steps = self.kit.share(record)

    def start(
        self, name: str, settings: Mapping[str, str], order: Mapping[str, Any], record: Callable[[str, Handle], None]
    ) -> Started:
        """Begin a run and return at once; `record` is called with its id and handle before it begins.

        Args:
            name: Of the trial, as `housing-1#12`.
            settings: Its hyperparameters, as text.
            order: What else it is told: `goal`, `limits`.
            record: Keeps what is needed to find it again.
        """
        run = new_run_id(self.service)
        folder = self._folder
        folder.mkdir(parents=True, exist_ok=True)
        told = {**order, "name": name, "run": run, "service": self.service, "settings": dict(settings)}
        write_atomically(folder / f"{run}.json", json.dumps(told).encode())
        kit, path = self.kit, folder / f"{run}.json"
        log, exit_file = self._files(run)
        command = Command(
            argv=(sys.executable if kit is None else str(kit.python), "-m", "rung.tuning.trial", str(path)),
            folder=self.workspace.root if kit is None else kit.source,
            environment=self._environment(),
            log=log,
            exit_file=exit_file,
        )
        hardware = self.hardware
        machine = Machine(
            vcpus=hardware.vcpus, memory_gib=hardware.memory_gib, gpus=hardware.gpus, disk_gib=hardware.disk_gib
        )
        parcel = None if kit is None else kit.parcel_of(run, path, self._steps)
        work = Work(name=run, command=command, machine=machine, parcel=parcel, resumes=True)
        handle = self.compute.start(work, record=lambda handle: record(run, handle))
        return Started(run=run, name=name, settings=settings, handle=handle)

    def ended(self, started: list[Started]) -> list[Ended]:
        """Wait a moment, and give those that are over by then; one that takes too long is stopped."""
        time.sleep(_POLL_S)
        found = []
        for one, seen in zip(started, self.compute.observe([one.handle for one in started]), strict=True):
            if seen.state == "ended":
                if self._is_back(one, seen):
                    found.append(self._end(one, self._told(one, seen)))
            elif time.monotonic() - one.since > self.hardware.timeout_s:
                self.compute.stop(one.handle, _GRACE_S)
                found.append(self._end(one, f"it did not end within {self.hardware.timeout_s:,.0f} s"))
        return found

    def adopt(self, one: Started) -> Started | Ended | None:
        """Find a run of an earlier process again: it runs, is over, or has to run once more."""
        seen = self.compute.observe([one.handle])[0]
        try:
            if seen.state != "ended" or not self._is_back(one, seen):
                return one
        except IntegrityError:  # it ended so long ago that nobody has kept what it left
            return None
        record = self._read(one.run)
        if record is not None and record.status != "running":
            return self._end(one, "")
        return None if seen.exit_code is None else self._end(one, self._told(one, seen))

    def stop(self, started: list[Started], *, because: str) -> None:
        """End runs; each is kept as failed."""
        for one in started:
            self.compute.stop(one.handle, _GRACE_S)
            self._end(one, because)

    def close(self) -> None:
        """Take away what only trials need: none runs any more."""
        if self.kit is not None:
            self.kit.close(self.study)

    @property
    def _folder(self) -> Path:
        return folder_of(self.workspace, self.study) / "trials"

    def _files(self, run: str) -> tuple[Path, Path]:
        """Name the log and the exit code of a run."""
        return self._folder / f"{run}.log", self._folder / f"{run}.exit"

    def _is_back(self, one: Started, seen: Seen) -> bool:
        """Tell whether what a run left on a node that does not see the folder is here; a storage is asked again."""
        if not seen.returned or self.kit is None:
            return True
        now = time.monotonic()
        since, again = self._late.get(one.run, (now, now))
        if now < again:
            return False
        try:
            self.kit.take_back(seen.returned, run=one.run, files=self._files(one.run))
        except UnavailableError:
            if now - since > _PATIENCE_S:
                raise
            self._late[one.run] = (since, now + _AGAIN_S)
            return False
        return True

    def _environment(self) -> dict[str, str]:
        online_store = self.workspace.settings().online_store
        return {
            **author_environment(self.workspace, self.service),
            **thread_limits(self.threads),
            **({"PYTHONPATH": str(self.workspace.root)} if self.kit is None else self.kit.variables),
            "PYTHONUNBUFFERED": "1",
            "RUNG_STATE": str(self.workspace.state),
            "RUNG_DATASETS": open_catalogue(self.workspace).root,
            "RUNG_USER": user_name(),
            **({} if online_store is None else {"RUNG_ONLINE_STORE": online_store}),
        }

    def _told(self, one: Started, seen: Seen) -> str:
        """Say why a run ended without a word of its own."""
        how = "was cut off" if seen.exit_code is None else f"ended with exit code {seen.exit_code}"
        log, _ = self._files(one.run)
        lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
        return (
            f"its process {how}" + (f": {lines[-1]}" if lines else "") + (f" ({seen.because})" if seen.because else "")
        )

    def _end(self, one: Started, because: str) -> Ended:
        """Put a run that is over on record; one that could not say how it ended has failed."""
        record = self._read(one.run) or self._empty(one)
        if record.status == "running":
            record.status, record.error, record.ended = "failed", because, utc_now()
            record.seconds = time.monotonic() - one.since
            (self.workspace.runs / record.id).mkdir(parents=True, exist_ok=True)
            record.write(self.workspace.runs / record.id, durable=True)
        if self.kit is not None:
            self.kit.add_patch(record)
        kept.keep(self.workspace, record)
        record_run(self.workspace.state, record.to_json(), self.workspace.registry_url())
        return Ended(started=one, record=record)

    def _read(self, run: str) -> RunRecord | None:
        try:
            return read_run(self.workspace.runs / run)
        except (NotFoundError, IntegrityError):  # it was refused before it began, or the disk was full
            return None

    def _empty(self, one: Started) -> RunRecord:
        return RunRecord(
            id=one.run,
            service=self.service,
            kind="trial",
            source=one.name,
            status="running",
            started=utc_now(),
            user=user_name(),
            python=".".join(map(str, sys.version_info[:3])),
            rung=__version__,
            pid=0,
            settings=dict(one.settings),
        )
