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
from rung.errors import ConflictError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Ended", "Job", "JobState"]

_BLOCK = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The command is over."""

    exit_code: int | None  # None: cut off with its keeper (the machine went down), so nobody knows; start it again


JobState = Literal["absent", "running"] | Ended


class Job:
    """One run of a command in a folder of its own; the object holds nothing but the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.exit_file = folder / "exit_code"
        self.result_file = folder / "result.json"
        self._record = folder / "job.json"
        self._lock = folder / "lock"

    def start(self, command: local.Command) -> bool:
        """Start the command unless this job was started before; tell whether this call did it.

        The job's own log and exit file take the place of the command's. Of the environment only the names are
        recorded: the values may be secrets.
        """
        with _files.locked(self._lock):
            if self._record.exists():
                return False
            self.result_file.unlink(missing_ok=True)
            local.start(
                replace(command, log=self.log, exit_file=self.exit_file),
                record=lambda process: _files.write(self._record, _describe(command, process)),
            )
            return True

    def state(self) -> JobState:
        """Look at the folder and at the process."""
        process = self.process()
        if process is None:
            return "absent"
        if (code := local.exit_code(self.exit_file)) is not None:
            return Ended(exit_code=code)
        if local.alive(process):
            return "running"
        return Ended(exit_code=local.exit_code(self.exit_file))  # kept, perhaps, between the two looks

    def process(self) -> local.Process | None:
        """Read the process that the job has, or had."""
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return local.Process.from_json(record["process"])

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
        process = self.process()
        if process is not None:
            local.stop(process, grace_s)

    def clear(self) -> None:
        """Forget an ended run, so that `start` runs the command again; the log goes on.

        Raises:
            ConflictError: the command still runs.
        """
        with _files.locked(self._lock):
            if self.state() == "running":
                raise ConflictError(f"the job in {self.folder} runs", hint="stop it before you clear it")
            self._record.unlink(missing_ok=True)


def _describe(command: local.Command, process: local.Process) -> str:
    record = {
        "argv": command.argv,
        "folder": str(command.folder),
        "environment": sorted(command.environment),
        "process": process.to_json(),
    }
    return json.dumps(record, indent=2) + "\n"
