"""Processes on this machine that outlive the control plane and are adopted by the next one.

The reconcile loop starts revision servers and jobs here. Between the caller and the command stand two small things: a
keeper (a shell, the command's parent) that keeps the exit code when the command ends, whoever else is dead by then; and
a launcher that becomes the command once the caller has its pid. The command leads a session of its own, so a Ctrl-C in
the terminal of `rung up` does not reach it. Nothing of the command passes through a shell string.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from rung.errors import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Command", "Process", "Usage", "alive", "check", "exit_code", "find", "start", "stop", "usage"]

_LAUNCHER = Path(__file__).with_name("_launcher.py")

# $1 is the exit file or nothing, the rest is the launcher. The traps let a signal that was meant for all not end the
# keeper before the code is kept; the command itself gets every signal's default back from the launcher.
_KEEPER = """(
    trap : HUP INT TERM
    exit_file=$1
    shift
    "$@"
    code=$?
    [ -z "$exit_file" ] || {
        printf '%s\\n' "$code" >"$exit_file.partial" && mv -f -- "$exit_file.partial" "$exit_file"
    }
) &"""

_GREETING_S = 30.0  # a launcher answers in about 20 ms; a machine that swaps takes longer
_KILLED_S = 10.0  # a killed process is gone at once, unless it waits for a device
_POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run, where, and what stays of it."""

    argv: tuple[str, ...]  # the program is looked up on the environment's PATH
    folder: Path  # the working directory; it must be there
    environment: Mapping[str, str]  # the whole of it: nothing else is inherited
    log: Path | None = None  # stdout and stderr are appended; without it they are thrown away
    exit_file: Path | None = None  # gets the exit code by rename, 128 + N for a death by signal N


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that `start` made, told apart from any later one with the same pid."""

    pid: int  # also the number of its session and of its process group
    started: float  # on Linux seconds after boot, which no change of the clock moves; elsewhere seconds since 1970
    boot: str  # the boot of the machine, where the system tells it
    keeper: Process | None = None  # its parent, that keeps the exit code

    def to_json(self) -> dict[str, Any]:
        """Give what `from_json` takes: plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Process:
        """Make the process that `to_json` described, in whichever control plane."""
        keeper = value["keeper"]
        return cls(
            pid=int(value["pid"]),
            started=float(value["started"]),
            boot=str(value["boot"]),
            keeper=None if keeper is None else cls.from_json(keeper),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process and all its descendants use."""

    memory_bytes: int  # proportional set size where the system tells it (shared pages count once), else resident
    cpu_s: float  # user and system time since the start, ended children that were waited for included
    processes: int


def start(command: Command, *, record: Callable[[Process], None] | None = None) -> Process:
    """Start the command in a session of its own and return at once (about 30 ms).

    `record` is called with the process before the command begins. When it raises, or this process is killed before it
    returned, the command never runs: so what runs is always on record.

    Raises:
        NotFoundError: the program or the folder does not exist.
        UnavailableError: the system did not start a process.
    """
    check(command)
    if command.exit_file is not None:
        command.exit_file.parent.mkdir(parents=True, exist_ok=True)
        command.exit_file.unlink(missing_ok=True)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            _launch(command, theirs)
        process = _meet(ours)
        if record is not None:
            record(process)
        order = {"argv": command.argv, "environment": dict(command.environment)}
        with contextlib.suppress(BrokenPipeError):  # stopped already: whoever looks finds it dead
            ours.sendall(json.dumps(order).encode() + b"\n")
    return process


def alive(process: Process) -> bool:
    """Tell whether the process runs, or its exit code is about to be kept; a zombie or a reused pid is dead."""
    return _lives(process) or (process.keeper is not None and _lives(process.keeper))


def exit_code(exit_file: Path) -> int | None:
    """Read the exit code that a command left; None while it runs, and for ever when its keeper was killed too."""
    try:
        return int(exit_file.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None


def stop(process: Process, grace_s: float = 10.0) -> None:
    """Ask the process to end (SIGTERM to it alone), then kill it and all its descendants; blocks until they are gone.

    Does nothing to a process that is dead already or has a reused pid, except for what it left behind.

    Raises:
        UnavailableError: something does not die although it was killed.
    """
    known = _family(process)  # descendants that left the session cannot be found once their parent is dead
    if _lives(process):
        _send(process, signal.SIGTERM)
        _wait(process, time.monotonic() + grace_s)
    deadline = time.monotonic() + _KILLED_S
    while remains := [one for one in {*known, *_family(process)} if _lives(one)]:
        if time.monotonic() > deadline:
            pids = ", ".join(str(one.pid) for one in remains)
            raise UnavailableError(f"killed, but still there: {pids}", hint="they wait for a device; look at dmesg")
        for one in remains:
            _send(one, signal.SIGKILL)
        time.sleep(_POLL_S)
    _wait(process, deadline)


def usage(process: Process) -> Usage:
    """Measure the process and its descendants; all zeros for a dead one. Takes some milliseconds for each of them."""
    memory_bytes, cpu_s, processes = 0, 0.0, 0
    for one in _family(process):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            found = psutil.Process(one.pid)
            memory_bytes += _memory_bytes(found)
            cpu_s += sum(found.cpu_times()[:4])  # user, system, and both of the children that it waited for
            processes += 1
    return Usage(memory_bytes=memory_bytes, cpu_s=cpu_s, processes=processes)


def check(command: Command) -> None:
    """See whether a command can begin on this machine.

    Raises:
        NotFoundError: the program or the folder does not exist.
    """
    if not command.folder.is_dir():
        raise NotFoundError(f"{command.folder} is not a folder", hint="a command needs a folder to run in")
    program = command.argv[0]
    place = str(command.folder / program) if os.sep in program else program
    if shutil.which(place, path=command.environment.get("PATH", os.defpath)) is None:
        raise NotFoundError(f"{program} is no program that can run", hint="give its path, or put it on PATH")


def _launch(command: Command, theirs: socket.socket) -> None:
    exit_file = "" if command.exit_file is None else str(command.exit_file.absolute())
    launcher = (sys.executable, "-I", "-S", str(_LAUNCHER), str(theirs.fileno()))
    with _open_log(command.log) as log:
        ended = subprocess.run(
            ["/bin/sh", "-c", _KEEPER, "sh", exit_file, *launcher],
            cwd=command.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            check=False,
        )
    if ended.returncode != 0:
        raise UnavailableError(f"/bin/sh ended with {ended.returncode}", hint="the system may be out of processes")


def _open_log(log: Path | None) -> Any:
    if log is None:
        return Path(os.devnull).open("ab")
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("ab")


def _meet(ours: socket.socket) -> Process:
    """Read the launcher's greeting; it then waits for its order, so both pids are alive and theirs."""
    ours.settimeout(_GREETING_S)
    greeting = b""
    while not greeting.endswith(b"\n"):
        try:
            part = ours.recv(64)
        except TimeoutError:
            part = b""
        if not part:
            raise UnavailableError("the process did not start", hint="its log may say why; the machine may be full")
        greeting += part
    pid, keeper = (find(int(number)) for number in greeting.split())
    if pid is None or keeper is None:
        raise UnavailableError("the process was killed while it started", hint="try again")
    return Process(pid=pid.pid, started=pid.started, boot=pid.boot, keeper=keeper)


def _lives(process: Process) -> bool:
    now = find(process.pid)
    return now is not None and (now.started, now.boot) == (process.started, process.boot)


def _send(process: Process, number: signal.Signals) -> None:
    if _lives(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _wait(process: Process, deadline: float) -> None:
    while alive(process) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _family(process: Process) -> list[Process]:
    """Find the process, its descendants, and what remains of its session when it is dead itself."""
    now = find(process.pid)
    if now is not None and now.started != process.started:
        return []  # the pid was given again, which the kernel does only when nothing of the old session is left
    pids = {pid for pid in psutil.pids() if _session(pid) == process.pid}
    if now is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            pids.update(child.pid for child in psutil.Process(process.pid).children(recursive=True))
    found = (find(pid) for pid in pids)
    return [one for one in found if one is not None and one.started >= process.started]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _memory_bytes(found: psutil.Process) -> int:
    try:
        full = found.memory_full_info()
    except psutil.AccessDenied:
        full = found.memory_info()
    return int(getattr(full, "pss", full.rss))


if sys.platform == "linux":
    # psutil adds the time of boot, which it works out from a clock that people and NTP set: two control planes would
    # see two creation times of one process.
    _TICKS_IN_S = os.sysconf("SC_CLK_TCK")
    _BOOT = Path("/proc/sys/kernel/random/boot_id")

    def find(pid: int) -> Process | None:
        """Read who has this pid now; None for nobody and for a zombie. See proc_pid_stat(5), fields 3 and 22."""
        try:
            status = Path(f"/proc/{pid}/stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = status.rpartition(b")")[2].split()
        if fields[0] in {b"Z", b"X"}:
            return None
        return Process(pid=pid, started=int(fields[19]) / _TICKS_IN_S, boot=_BOOT.read_text(encoding="ascii").strip())

else:

    def find(pid: int) -> Process | None:
        """Read who has this pid now; None for nobody and for a zombie."""
        try:
            found = psutil.Process(pid)
            if found.status() == psutil.STATUS_ZOMBIE:
                return None
            return Process(pid=pid, started=found.create_time(), boot="")
        except psutil.NoSuchProcess:
            return None
