"""Progress of a run on the terminal: a line for each task, with its time and why it ran."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rung.training._record import RunRecord, TaskRecord

_COLOUR = re.compile("\x1b\\[[0-9]*m")
_COLOURS = {"ran": "32", "cached": "36", "failed": "31", "succeeded": "32"}


class Report:
    """Prints what happens to one run; colours on a terminal, none in a pipe and in the run's log."""

    def __init__(self, record: RunRecord, *, stream: TextIO | None, log: TextIO) -> None:
        self._record = record
        self._stream = stream
        self._log = log
        self._colours = stream is not None and stream.isatty()
        self._write(f"run {record.id}")

    def task(self, task: TaskRecord) -> None:
        """Tell that a task has ended."""
        state = self._colour(f"{task.state:<7}", task.state)
        self._write(f"  {task.name:<24} {state} {task.seconds:8.3f} s  {task.size:>11,} bytes  {task.because}")
        for name, verdict in task.conversions.items():
            served = verdict["runtime"] if verdict["verdict"] == "equal" else "native"
            self._write(
                f"  {name:<24} {verdict['runtime']} {verdict['verdict']}, served {served}: {verdict['because']}"
            )

    def end(self) -> None:
        """Tell how the run ended, with its metrics."""
        record = self._record
        for name, value in record.metrics.items():
            self._write(f"  {name:<24} {value:.6g}")
        for name in record.failed_tests:
            self._write(f"  {name:<24} {self._colour('did not pass', 'failed')}")
        self._write(f"run {record.id} {self._colour(record.status, record.status)} in {record.seconds:.2f} s")

    def _colour(self, text: str, state: str) -> str:
        return f"\x1b[{_COLOURS[state]}m{text}\x1b[0m" if self._colours and state in _COLOURS else text

    def _write(self, line: str) -> None:
        self._log.write(_COLOUR.sub("", line) + "\n")
        if self._stream is not None:
            self._stream.write(line + "\n")
            self._stream.flush()
