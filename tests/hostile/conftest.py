"""What is attacked: a gateway, a revision's server behind it, the collector, and the API of a platform; all real."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import psutil
import pytest
from live_platform import live_platform
from sockets import listens
from waiting import until

from rung.gateway import Backend, Gateway, Production, Routing

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
GOOD = b'{"instances": [{"x": 3}]}'
MEMORY = 256 * 1024 * 1024  # bytes that no attack may add to a process
ANSWER_S = 15.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(kw_only=True)
class Target:
    """Something that listens, and how it is asked something good."""

    name: str
    address: str | tuple[str, int]
    good: bytes  # a whole request
    pids: tuple[int, ...]
    path: bytes = b"/predict"
    headers: bytes = b""
    memory: dict[int, int] = field(default_factory=dict)

    def connect(self) -> socket.socket:
        family = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        made.settimeout(ANSWER_S)
        made.connect(self.address)
        return made

    def send(self, request: bytes, *, patience_s: float = ANSWER_S) -> bytes:
        """Send bytes, and give all that comes back until the connection is closed or nothing comes for a while."""
        with self.connect() as connection:
            connection.settimeout(patience_s)
            try:
                connection.sendall(request)
                return read_all(connection)
            except (ConnectionError, TimeoutError):
                return read_all(connection)

    def request(
        self, body: bytes = b"", *, head: bytes = b"", path: bytes | None = None, method: bytes = b"POST"
    ) -> bytes:
        """Spell a request that asks to close the connection."""
        lines = (
            method + b" " + (path or self.path) + b" HTTP/1.1",
            b"host: target",
            b"connection: close",
            b"content-type: application/json",
            *((self.headers,) if self.headers else ()),
            *((head,) if head else (b"content-length: %d" % len(body),)),
        )
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def status(self, request: bytes) -> int:
        """Send a request; give the status of the answer, or 0 when the connection was closed without one."""
        return status_of(self.send(request))

    def remember(self) -> None:
        self.memory = {pid: psutil.Process(pid).memory_info().rss for pid in self.pids}

    def check(self) -> None:
        """See that the same processes live, have not grown much, and answer."""
        for pid, before in self.memory.items():
            process = psutil.Process(pid)
            assert process.status() != psutil.STATUS_ZOMBIE
            assert process.memory_info().rss - before < MEMORY, f"{process.name()} grew"
        assert self.status(self.good) in (200, 202), f"{self.name} does not answer a good request"


def read_all(connection: socket.socket) -> bytes:
    parts = []
    try:
        while part := connection.recv(1 << 16):
            parts.append(part)
    except (ConnectionError, TimeoutError):
        pass
    return b"".join(parts)


def status_of(answer: bytes) -> int:
    words = answer.split(b" ", 2)
    return int(words[1]) if answer.startswith(b"HTTP/1.") and len(words) > 1 and words[1].isdigit() else 0


@dataclass(kw_only=True)
class Site:
    """The gateway and what lies behind it."""

    folder: Path
    gateway: Gateway
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def begin(self, *words: str, folder: Path = HERE, **environment: str) -> int:
        process = subprocess.Popen(words, cwd=folder, env={**os.environ, **environment})
        self.processes.append(process)
        return process.pid


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="hostile", dir="/tmp"))  # short on purpose; made for its owner only
    made = Site(folder=folder, gateway=Gateway(folder=folder / "g", port=free_port()))
    try:
        yield made
    finally:
        for process in reversed(made.processes):
            process.terminate()
        for process in made.processes:
            process.wait(60)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def server(site: Site) -> Target:
    """The server of a revision, at its own socket."""
    path = str(site.folder / "m1.sock")
    pid = site.begin(
        *(sys.executable, "-m", "rung.serving.server", "--application", "doubling:app", "--bind", f"unix:{path}"),
        RUNG_LOG=str(site.folder / "log"),
    )
    target = Target(name="server", address=path, good=b"", pids=(pid,))
    target.good = target.request(GOOD)
    until(lambda: Path(path).exists() and _answers(target))
    target.pids = (pid, *(child.pid for child in psutil.Process(pid).children()))
    return target


@pytest.fixture(scope="session")
def collector(site: Site) -> Target:
    """The collector of outcomes, at its own socket."""
    path = str(site.folder / "c.sock")
    pid = site.begin(
        *(sys.executable, "-m", "rung.serving.outcomes", "--bind", f"unix:{path}"), RUNG_LOG=str(site.folder / "log")
    )
    target = Target(name="collector", address=path, good=b"", pids=(pid,), path=b"/outcomes")
    target.good = target.request(b'{"service": "doubling", "metric": "right", "value": 1, "unit": "customer-1"}')
    until(lambda: Path(path).exists() and _answers(target))
    return target


@pytest.fixture(scope="session")
def gateway(site: Site, server: Target, collector: Target) -> Target:
    """The gateway, in front of both."""
    site.gateway.prepare()
    pid = site.begin(*site.gateway.command())
    until(site.gateway.ready)
    listening = {"doubling": server.address, "echo": _begin_echo(site)}
    site.gateway.apply(
        Routing(
            backends=tuple(
                Backend(revision=f"{name}.v1.m1", endpoints=(f"unix:{address}",), timeout_s=5)
                for name, address in listening.items()
            ),
            productions=tuple(Production(service=name, major=1, incumbent=f"{name}.v1.m1") for name in listening),
            outcomes=f"unix:{collector.address}",
        )
    )
    address = ("127.0.0.1", site.gateway.port)
    target = Target(name="gateway", address=address, good=b"", pids=(pid, *server.pids), path=b"/doubling/v1/predict")
    target.good = target.request(GOOD)
    return target


def _begin_echo(site: Site) -> str:
    """Begin a server that tells the headers that it sees."""
    path = str(site.folder / "e.sock")
    site.begin(sys.executable, "-m", "uvicorn", "--log-level=warning", "--uds", path, "echoing:app")
    until(lambda: listens(Path(path)))
    return path


@pytest.fixture(scope="session")
def echo(gateway: Target) -> Target:
    """The gateway's path to a server that tells the headers that it sees."""
    return replace(gateway, path=b"/echo/v1/predict")


@pytest.fixture(scope="session")
def api() -> Iterator[Target]:
    """The API of a platform that serves nothing."""
    with live_platform() as platform:
        platform.rung("up", "--detach")
        address = platform.address
        url = httpx2.URL(address.url)
        target = Target(
            name="api",
            address=(str(url.host), int(url.port or 0)),
            good=b"",
            pids=(address.pid,),
            path=b"/revisions",
            headers=b"authorization: Bearer " + address.token.encode(),
        )
        target.good = target.request(method=b"GET", path=b"/status")
        yield target


def _answers(target: Target) -> bool:
    try:
        return target.status(target.good) in (200, 202)
    except OSError:
        return False


@pytest.fixture(params=["gateway", "server", "collector", "api"])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """Each of them; after the attack it must be as it was."""
    chosen: Target = request.getfixturevalue(request.param)
    chosen.remember()
    yield chosen
    chosen.check()
