"""Makes the n-th write of a command fail, or the process die right there.

`Commands` starts one process that has imported everything; for each command it forks a child, in which every step that
changes the disk is counted: files that are made, written, synced, renamed, linked; folders that are made; commits of
SQLite. Step n fails or kills.

Python's own file objects (`_pyio`) stand in for those in C, so that each write is a call of `os.write`. Out of reach is
what other programs write (git, uv), what Delta Lake and Polars write in Rust, and SQLite's steps inside a commit.
"""

from __future__ import annotations

import _pyio
import builtins
import errno
import importlib
import io
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable

How = Literal["full", "broken", "dies"]
"""No space is left (ENOSPC), the disk is broken (EIO), or the process dies (exit code 137)."""

_DIED = 137
_TIMEOUT_S = 60
_CALLS = ("open", "write", "fsync", "replace", "rename", "link", "mkdir")
_ERRNO = {"full": errno.ENOSPC, "broken": errno.EIO}
_SAID = {"full": "database or disk is full", "broken": "disk I/O error"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a child does."""

    folder: str
    """Where it runs."""
    argv: tuple[str, ...]
    """A command of `rung`; or `MODULE:FUNCTION` and its arguments, for what the control plane does itself."""
    n: int = 0
    """The step that fails, from 1; 0: none."""
    how: How = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of it."""

    exit_code: int
    steps: int
    """That it took; none are known of one that died."""
    hit: str
    """The step that failed, in words; empty when n was never reached."""
    output: str


class Commands:
    """A process that forks a child for each command."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=_TIMEOUT_S)

    def run(self, order: Order) -> Ended:
        """Run a command, to its end or its death."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "RUNG_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}


class _Steps:
    """Counts the steps of a child, and makes one of them fail."""

    def __init__(self, order: Order, report: Path) -> None:
        self.taken = 0
        self._order = order
        self._report = report
        self._real = {name: getattr(os, name) for name in _CALLS}

    def is_here(self, told: str) -> bool:
        """Count a step; tell whether it is the one that fails. One that kills does not come back from `fail`."""
        self.taken += 1
        if self.taken != self._order.n:
            return False
        report = self._real["open"](self._report, os.O_WRONLY | os.O_CREAT, 0o600)
        self._real["write"](report, told.encode(errors="replace"))
        os.close(report)
        return True

    def fail(self, path: object = None) -> None:
        """Die, or raise what the system would."""
        if self._order.how == "dies":
            os._exit(_DIED)
        number = _ERRNO[self._order.how]
        raise OSError(number, os.strerror(number), None if path is None else str(path))

    def fail_commit(self, connection: sqlite3.Connection) -> None:
        """Die, or do as SQLite does: undo the transaction, and say why."""
        if self._order.how == "dies":
            os._exit(_DIED)
        if connection.in_transaction:
            connection.rollback()
        raise sqlite3.OperationalError(_SAID[self._order.how])

    def install(self) -> None:
        """Count every step from now on."""
        for name in ("replace", "rename", "link"):
            setattr(os, name, self._counted(name, lambda source, target, **_: f"{source} -> {target}"))
        os.mkdir = self._counted("mkdir", lambda path, *_, **__: str(path))
        os.fsync = self._counted("fsync", _name)
        os.open = self._open
        os.write = self._write
        builtins.open = io.open = tarfile.bltn_open = self._opened(io.open)  # type: ignore[attr-defined]
        shutil._USE_CP_SENDFILE = False  # type: ignore[attr-defined]  # noqa: SLF001  copies by `write`, too
        sqlite3.connect = sqlite3.dbapi2.connect = self._connected(sqlite3.connect)

    def _counted(self, name: str, tell: Callable[..., str]) -> Any:
        real = self._real[name]

        def call(*arguments: Any, **named: Any) -> Any:
            if name == "mkdir" and os.path.exists(arguments[0]):  # noqa: PTH110  it changes nothing
                return real(*arguments, **named)
            if self.is_here(f"{name} {tell(*arguments, **named)}"):
                self.fail(arguments[0])
            return real(*arguments, **named)

        return call

    def _open(self, path: Any, flags: int, *more: Any, **named: Any) -> int:
        is_new = bool(flags & os.O_CREAT) and not isinstance(path, int) and not os.path.exists(path)  # noqa: PTH110
        if is_new and self.is_here(f"create {path}"):
            self.fail(path)
        found: int = self._real["open"](path, flags, *more, **named)
        return found

    def _write(self, file: int, data: Any) -> int:
        if stat.S_ISREG(os.fstat(file).st_mode) and self.is_here(f"write {_name(file)}"):
            self._real["write"](file, bytes(data)[: len(data) // 2])  # the half that still had room
            self.fail(_name(file))
        written: int = self._real["write"](file, data)
        return written

    def _opened(self, real: Any) -> Any:
        def opened(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            return (_pyio.open if set("wax+") & set(mode) else real)(file, mode, *more, **named)

        return opened

    def _connected(self, real: Any) -> Any:
        steps = self

        class Cursor(sqlite3.Cursor):
            def execute(self, statement: str, *parameters: Any) -> Any:
                first = statement.lstrip().partition(" ")[0].upper()
                is_alone = first in ("INSERT", "UPDATE", "DELETE") and not self.connection.in_transaction
                is_commit = first == "COMMIT" or is_alone
                if is_commit and steps.is_here(f"commit ({first})"):
                    steps.fail_commit(self.connection)
                found = super().execute(statement, *parameters)
                if is_commit and steps.is_here(f"after commit ({first})") and steps._order.how == "dies":
                    os._exit(_DIED)
                return found

        class Connection(sqlite3.Connection):
            def cursor(self, *_: Any) -> Any:
                return super().cursor(Cursor)

            def execute(self, statement: str, *parameters: Any) -> Any:
                return self.cursor().execute(statement, *parameters)

        def connect(*arguments: Any, **named: Any) -> Any:
            return real(*arguments, **{"factory": Connection, **named})

        return connect


def _name(file: int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{file}").readlink())
    except OSError:
        return str(file)


def _serve() -> None:
    """Read orders, one a line; answer each with a line."""
    for module in ("rung.cli.train", "rung.cli.runs", "rung.cli.gc", "rung.cli.new", "rung.cli.init", "rung.training"):
        importlib.import_module(module)
    importlib.import_module("simulated_use_cases")
    for line in sys.stdin:
        order = Order(**json.loads(line))
        sys.stdout.write(json.dumps(asdict(_in_child(order))) + "\n")
        sys.stdout.flush()


def _in_child(order: Order) -> Ended:
    with tempfile.TemporaryDirectory() as folder:
        report, output, steps = (Path(folder, name) for name in ("hit", "output", "steps"))
        child = os.fork()
        if child == 0:
            _run(order, report, output, steps)
        _, status = os.waitpid(child, 0)
        return Ended(
            exit_code=os.waitstatus_to_exitcode(status),
            steps=int((steps.exists() and steps.read_text()) or 0),
            hit=report.read_text() if report.exists() else "",
            output=output.read_text(errors="replace"),
        )


def _run(order: Order, report: Path, output: Path, told: Path) -> None:
    """Be the child: everything that it writes to the disk is counted; what it says goes to a file."""
    signal.alarm(_TIMEOUT_S)
    os.chdir(order.folder)
    said = os.open(output, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(said, 1)
    os.dup2(said, 2)
    counted = os.open(told, os.O_WRONLY | os.O_CREAT, 0o600)
    steps = _Steps(order, report)
    write = os.write
    steps.install()
    code = _call(order)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    write(counted, str(steps.taken).encode())
    os._exit(code)


def _call(order: Order) -> int:
    sys.argv = ["rung", *order.argv]
    try:
        first, *arguments = order.argv
        if ":" in first:
            module, _, function = first.partition(":")
            return int(getattr(importlib.import_module(module), function)(*arguments))
        from rung.cli import main  # noqa: PLC0415  only here it is needed

        main()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  what came through is told, as the interpreter would
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    _serve()
