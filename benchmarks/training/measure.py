"""Time a whole process, and end whatever it leaves behind. Called by `run.py`."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Command", "ProgramError", "Timing", "time_command"]

MARK = "RUNG_BENCH_MARK"  # its value tells the processes that a program started from everything else on the machine
LAST_LINES = 15


class ProgramError(Exception):
    """A program ended badly or took too long; the message ends with its last lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One process to start."""

    arguments: tuple[str, ...]
    folder: Path
    variables: dict[str, str]  # its whole environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What one whole process took."""

    wall: float  # seconds from its start to its end
    cpu: float  # seconds of user and system time, with those of the children that it waited for
    load: float  # the machine's one-minute load average when it started


def time_command(command: Command, *, timeout: float = 600.0) -> Timing:
    """Run `command` to its end, take its time, then end by pid every process that it left running.

    Its output goes to `output.log` in its folder. `timeout` is in seconds.

    Raises:
        ProgramError: it ended with another status than 0, or did not end in time.
    """
    mark = secrets.token_hex(8)
    log = command.folder / "output.log"
    load = os.getloadavg()[0]
    began = time.perf_counter()
    try:
        status, cpu = _run(command, log, mark=mark, timeout=timeout)
        wall = time.perf_counter() - began
    finally:  # also when the measuring itself is interrupted
        _end_marked(mark)
    if status != 0:
        why = f"did not end within {timeout:g} s" if wall >= timeout else f"ended with {status}"
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-LAST_LINES:]
        raise ProgramError("\n".join([f"`{' '.join(command.arguments)}` {why}", *tail]))
    return Timing(wall=wall, cpu=cpu, load=load)


def _run(command: Command, log: Path, *, mark: str, timeout: float) -> tuple[int, float]:
    """Run to the end; give the exit status and the CPU time in seconds."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command.arguments,
            cwd=command.folder,
            env=command.variables | {MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    late = threading.Timer(timeout, process.kill)
    late.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)  # not Popen.wait: the usage of this one process is wanted
    finally:
        late.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def _end_marked(mark: str, *, patience: float = 5.0) -> None:
    """End the processes whose environment carries `mark`: first ask, then, after `patience` seconds, force."""
    deadline = time.monotonic() + patience
    _signal(_marked(mark), signal.SIGTERM)
    while left := _marked(mark):
        if time.monotonic() > deadline:
            _signal(left, signal.SIGKILL)
        time.sleep(0.05)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _marked(mark: str) -> list[int]:
    """Find the processes started with `mark`; on a system without /proc, none."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or it is another user's
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found
