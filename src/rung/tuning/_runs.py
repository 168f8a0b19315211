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
from rung.control.servers import author_environment, thread_limits
from rung.data import open_catalogue
from rung.errors import IntegrityError, NotFoundError
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
    from rung.workspace import Workspace

__all__ = ["Ended", "Runs", "Started"]

_POLL_S = 0.05
_GRACE_S = 5.0


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
        command = Command(
            argv=(sys.executable, "-m", "rung.tuning.trial", str(folder / f"{run}.json")),
            folder=self.workspace.root,
            environment=self._environment(),
            log=folder / f"{run}.log",
            exit_file=folder / f"{run}.exit",
        )
        hardware = self.hardware
        machine = Machine(
            vcpus=hardware.vcpus, memory_gib=hardware.memory_gib, gpus=hardware.gpus, disk_gib=hardware.disk_gib
        )
        work = Work(name=run, command=command, machine=machine, resumes=True)
        handle = self.compute.start(work, record=lambda handle: record(run, handle))
        return Started(run=run, name=name, settings=settings, handle=handle)

    def ended(self, started: list[Started]) -> list[Ended]:
        """Wait a moment, and give those that are over by then; one that takes too long is stopped."""
        time.sleep(_POLL_S)
        found = []
        for one, seen in zip(started, self.compute.observe([one.handle for one in started]), strict=True):
            if seen.state == "ended":
                found.append(self._end(one, self._told(one, seen)))
            elif time.monotonic() - one.since > self.hardware.timeout_s:
                self.compute.stop(one.handle, _GRACE_S)
                found.append(self._end(one, f"it did not end within {self.hardware.timeout_s:,.0f} s"))
        return found

    def adopt(self, one: Started) -> Started | Ended | None:
        """Find a run of an earlier process again: it runs, is over, or has to run once more."""
        seen = self.compute.observe([one.handle])[0]
        if seen.state != "ended":
            return one
        record = self._read(one.run)
        if record is not None and record.status != "running":
            return self._end(one, "")
        return None if seen.exit_code is None else self._end(one, self._told(one, seen))

    def stop(self, started: list[Started], *, because: str) -> None:
        """End runs; each is kept as failed."""
        for one in started:
            self.compute.stop(one.handle, _GRACE_S)
            self._end(one, because)

    @property
    def _folder(self) -> Path:
        return folder_of(self.workspace, self.study) / "trials"

    def _environment(self) -> dict[str, str]:
        online_store = self.workspace.settings().online_store
        return {
            **author_environment(self.workspace, self.service),
            **thread_limits(self.threads),
            "PYTHONPATH": str(self.workspace.root),
            "PYTHONUNBUFFERED": "1",
            "RUNG_STATE": str(self.workspace.state),
            "RUNG_DATASETS": open_catalogue(self.workspace).root,
            "RUNG_USER": user_name(),
            **({} if online_store is None else {"RUNG_ONLINE_STORE": online_store}),
        }

    def _told(self, one: Started, seen: Seen) -> str:
        """Say why a run ended without a word of its own."""
        how = "was cut off" if seen.exit_code is None else f"ended with exit code {seen.exit_code}"
        log = self._folder / f"{one.run}.log"
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
