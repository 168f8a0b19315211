"""Start a server on a core of its own, wait until it answers rightly, and end all that it left. Called by `run.py`.

A server is asked for real predictions before it is timed: a fast wrong answer is worth nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["LOAD_CORE", "SERVER_CORE", "Command", "ServerError", "await_answer", "free_port", "pinned", "running"]

SERVER_CORE, LOAD_CORE = 0, 1
START_S = 90.0  # the slowest of them imports for some seconds
STOP_S = 10.0
LOOK_S = 0.05
LAST_LINES = 15
MARK = "RUNG_BENCH_MARK"  # its value tells the processes of one server from everything else on the machine


class ServerError(Exception):
    """A server did not start, or answered wrongly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One server to start."""

    arguments: tuple[str, ...]
    folder: Path
    variables: dict[str, str]  # its whole environment
    core: int | None = SERVER_CORE  # None: all of them


@contextlib.contextmanager
def running(command: Command, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in the block; its output is appended to `log`. What it started is ended with it."""
    mark = secrets.token_hex(8)
    arguments = command.arguments if command.core is None else pinned(command.core, *command.arguments)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            arguments,
            cwd=command.folder,
            env=command.variables | {MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        _end_marked(mark)
        process.wait()


def pinned(core: int, *arguments: str) -> tuple[str, ...]:
    """Give the command that runs on one core alone."""
    return ("taskset", "--cpu-list", str(core), *arguments)


def await_answer(
    url: str, body: bytes, accept: Callable[[Any], None], *, process: subprocess.Popen[bytes], log: Path
) -> None:
    """Wait until a server answers, then hand its answer to `accept`, which raises unless it is right.

    Raises:
        ServerError: It ended, or gave no answer with status 200 in time; with the last lines of its log.
    """
    deadline = time.monotonic() + START_S
    last = "nothing"
    while time.monotonic() < deadline and process.poll() is None:
        try:
            accept(_post(url, body))
        except urllib.error.HTTPError as error:
            last = f"{error.code}: {error.read()[:500].decode(errors='replace')}"
        except OSError as error:
            last = str(error)
        else:
            return
        time.sleep(LOOK_S)
    why = f"did not answer within {START_S:g} s" if process.poll() is None else f"ended with {process.returncode}"
    raise ServerError("\n".join([f"{url} {why}; its last answer: {last}", *_tail(log)]))


def free_port() -> int:
    """Find a TCP port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _post(url: str, body: bytes) -> Any:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})  # noqa: S310  loopback
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  loopback
        return json.load(answer)


def _tail(log: Path) -> Sequence[str]:
    return log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-LAST_LINES:]


def _end_marked(mark: str) -> None:
    """End the processes whose environment carries `mark`: first ask, then force."""
    deadline = time.monotonic() + STOP_S
    _signal(_marked(mark), signal.SIGTERM)
    while left := _marked(mark):
        if time.monotonic() > deadline:
            _signal(left, signal.SIGKILL)
        time.sleep(LOOK_S)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _marked(mark: str) -> list[int]:
    wanted = f"{MARK}={mark}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or it is another user's
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found
