"""A command that runs once, in a folder that tells any control plane how far it is.

Environment builds, trainings, gate tests and load tests are jobs. The reconcile loop asks `state` and acts on it; it
may start the same job twice, from two control planes, or be killed in between: the command runs once.

    folder/job.json      what runs and as which process; it is there before the command begins
    folder/log           stdout and stderr
    folder/exit_code     kept when the command ends
    folder/result.json   written by the command itself, by rename
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from rung.compute import _files, local
from rung.compute.here import LocalCompute
from rung.compute.protocol import Machine, Work
from rung.errors import ConflictError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rung.compute.protocol import Compute, Handle, Parcel

__all__ = ["Ended", "Job", "JobState"]

_BLOCK = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The command is over."""

    exit_code: int | None  # None: cut off with its keeper (the machine went down), so nobody knows; start it again
    because: str = ""  # why it was cut off, or never ran, where that is known
    returned: str = ""  # what it left on a machine that does not see the folder: `parcels.take_back` brings it


JobState = Literal["absent", "running"] | Ended


class Job:
    """One run of a command in a folder of its own; the object holds nothing but the folder.

    Args:
        folder: Of the job.
        compute_of: Gives the compute that work was begun on, for a job that may run on another machine.
    """

    def __init__(self, folder: Path, *, compute_of: Callable[[Handle], Compute] = lambda _: LocalCompute()) -> None:
        self.folder = folder
        self._compute_of = compute_of
        self.log = folder / "log"
        self.exit_file = folder / "exit_code"
        self.result_file = folder / "result.json"
        self._record = folder / "job.json"
        self._lock = folder / "lock"

    def start(
        self,
        command: local.Command,
        *,
        on: Compute | None = None,
        machine: Machine | None = None,
        name: str = "job",
        parcel: Parcel | None = None,
    ) -> bool:
        """Start the command unless this job was started before; tell whether this call did it.

        The job's own log and exit file take the place of the command's. Of the environment only the names are
        recorded: the values may be secrets.

        Args:
            command: What to run.
            on: The compute; None: this machine.
            machine: What it needs there.
            name: Under which people find it there.
            parcel: What it needs where the folder is not seen.
        """
        with _files.locked(self._lock):
            if self._record.exists():
                return False
            self.result_file.unlink(missing_ok=True)
            work = Work(
                name=name,
                command=replace(command, log=self.log, exit_file=self.exit_file),
                machine=machine or Machine(),
                parcel=parcel,
                resumes=True,
            )
            (on or LocalCompute()).start(
                work, record=lambda handle: _files.write(self._record, _describe(command, handle))
            )
            return True

    def state(self) -> JobState:
        """Look at the folder and at the process."""
        handle = self.handle()
        if handle is None:
            return "absent"
        if (code := local.exit_code(self.exit_file)) is not None:
            return Ended(exit_code=code)
        try:
            [seen] = self._compute_of(handle).observe([handle])
        except UnavailableError:
            return "running"  # as far as anybody knows
        if seen.state != "ended":
            return "running"
        kept = local.exit_code(self.exit_file)  # perhaps between the two looks
        if kept is not None:
            return Ended(exit_code=kept)
        return Ended(exit_code=seen.exit_code, because=seen.because, returned=seen.returned)

    def handle(self) -> Handle | None:
        """Read what the job's compute finds its work by, or did."""
        try:
            found: Handle = json.loads(self._record.read_text(encoding="utf-8"))["process"]
        except FileNotFoundError:
            return None
        return found

    def process(self) -> local.Process | None:
        """Give the process that the job has, or had, on this machine."""
        handle = self.handle()
        return None if handle is None or "pid" not in handle else local.Process.from_json(handle)

    def why(self) -> str:
        """Say why a command on another machine has not begun; nothing when it has, or nobody knows."""
        handle = self.handle()
        if handle is None or "pid" in handle:
            return ""
        try:
            [seen] = self._compute_of(handle).observe([handle])
        except UnavailableError as error:
            return error.message
        return seen.because if seen.state == "starting" else ""

    def result(self) -> dict[str, Any] | None:
        """Read what the command wrote to `result_file`; None when it wrote nothing."""
        try:
            found: dict[str, Any] = json.loads(self.result_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found

    def log_tail(self, lines: int = 20) -> list[str]:
        """Read the last lines of the log, however long it is."""
        try:
            with self.log.open("rb") as file:
                position = file.seek(0, 2)
                tail = b""
                while position > 0 and tail.count(b"\n") <= lines:
                    step = min(_BLOCK, position)
                    position = file.seek(position - step)
                    tail = file.read(step) + tail
        except FileNotFoundError:
            return []
        return tail.decode(errors="replace").splitlines()[-lines:]

    def stop(self, grace_s: float = 10.0) -> None:
        """Stop the command with all its descendants; nothing happens when it does not run. Blocks."""
        handle = self.handle()
        if handle is not None:
            self._compute_of(handle).stop(handle, grace_s)

    def clear(self) -> None:
        """Forget an ended run, so that `start` runs the command again; the log goes on.

        Raises:
            ConflictError: the command still runs.
        """
        with _files.locked(self._lock):
            if self.state() == "running":
                raise ConflictError(f"the job in {self.folder} runs", hint="stop it before you clear it")
            self._record.unlink(missing_ok=True)


def _describe(command: local.Command, handle: Handle) -> str:
    record = {
        "argv": command.argv,
        "folder": str(command.folder),
        "environment": sorted(command.environment),
        "process": dict(handle),
    }
    return json.dumps(record, indent=2) + "\n"
