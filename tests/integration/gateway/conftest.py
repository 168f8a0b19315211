"""A real Envoy and real servers on unix sockets, in a short folder: a socket's path must stay under 108 bytes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from gateway_load import Load, free_port
from waiting import until

from rung.gateway import Backend, Challenger, Gateway, Production, Routing, Shadow, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

GUNICORN = ["--worker-class=rung.serving.server.Worker", "--workers=2", "--log-level=critical", "backend:app"]
HERE = Path(__file__).parent


@dataclass
class Server:
    """One running server of a revision."""

    revision: str
    endpoint: str
    started_as: tuple[object, ...]
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        """The endpoint as Envoy prints it."""
        return self.endpoint.removeprefix("unix:")

    @property
    def listens(self) -> bool:
        is_unix = self.endpoint.startswith("unix:")
        with socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET) as probe:
            address = self.address if is_unix else ("127.0.0.1", int(self.address.rpartition(":")[2]))
            return probe.connect_ex(address) == 0

    def stop(self, with_signal: int) -> None:
        self.process.send_signal(with_signal)
        self.process.wait(60)


@dataclass
class Site:
    """A gateway with whatever servers a test starts behind it."""

    folder: Path
    gateway: Gateway
    servers: dict[str, Server] = field(default_factory=dict)
    envoy: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    def start_envoy(self) -> None:
        self.gateway.prepare()
        self.envoy = subprocess.Popen(self.gateway.command())
        until(self.gateway.ready)

    def stop_envoy(self) -> None:
        assert self.envoy
        self.envoy.kill()
        self.envoy.wait(60)

    def serve(self, name: str, *, revision: str = "", runner: str = "uvicorn", **environment: str) -> Server:
        """Return a server that listens, a new one unless the same runs; its name is its socket's and its revision's."""
        revision = revision or f"housing.v1.{name}"
        started_as = (revision, runner, *environment.items())
        running = self.servers.get(name)
        if running and running.process.poll() is None:
            if running.started_as == started_as:
                return running
            running.stop(signal.SIGTERM)
        socket_path, port = str(self.folder / f"{name}.s"), str(free_port())
        arguments, endpoint = {
            "uvicorn": (["backend", "--uds", socket_path], f"unix:{socket_path}"),
            "uvicorn on a port": (["backend", "--port", port], f"127.0.0.1:{port}"),
            "gunicorn": (["gunicorn", *GUNICORN, "--bind", f"unix:{socket_path}"], f"unix:{socket_path}"),
        }[runner]
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=HERE,
            env={**os.environ, "REVISION": revision, **environment},
        )
        server = Server(revision=revision, endpoint=endpoint, started_as=started_as, process=process)
        self.servers[name] = server
        until(lambda: server.listens)
        return server

    def backends(self, *names: str, **changes: Any) -> tuple[Backend, ...]:
        """Return one backend per revision, with all the servers named of it."""
        endpoints: dict[str, list[str]] = {}
        for server in (self.servers[name] for name in names):
            endpoints.setdefault(server.revision, []).append(server.endpoint)
        return tuple(Backend(revision=one, endpoints=tuple(each), **changes) for one, each in endpoints.items())

    def routing(
        self,
        *names: str,
        incumbent: str | None,
        challenger: str = "",
        share: float = 0.5,
        shadows: Mapping[str, float] | None = None,
        standby: str | None = None,
    ) -> Routing:
        split = Split.ab(experiment="e1", challenger=f"housing.v1.{challenger}", share=share) if challenger else None
        mirrored = tuple(Shadow(revision=f"housing.v1.{name}", share=share) for name, share in (shadows or {}).items())
        return self._routing(names, incumbent, split, mirrored, standby=standby)

    def bandit(self, *names: str, incumbent: str, shares: Mapping[str, float], salt: str | None = None) -> Routing:
        challengers = tuple(Challenger(revision=f"housing.v1.{name}", share=share) for name, share in shares.items())
        split = Split(experiment="b1", challengers=challengers, bandit=True, salt=salt)
        return self._routing(names, incumbent, split, ())

    def _routing(
        self,
        names: tuple[str, ...],
        incumbent: str | None,
        split: Split | None,
        shadows: tuple[Shadow, ...],
        *,
        standby: str | None = None,
    ) -> Routing:
        holder, reserve = (f"housing.v1.{name}" if name else None for name in (incumbent, standby))
        production = Production(
            service="housing", major=1, incumbent=holder, split=split, shadows=shadows, standby=reserve
        )
        return Routing(backends=self.backends(*names), productions=(production,))

    def statistics(self, prefix: str) -> dict[str, int]:
        """Return what Envoy counts under a prefix, by what is left of the name."""
        transport = httpx2.HTTPTransport(uds=str(self.gateway.admin_socket), verify=False)
        with httpx2.Client(transport=transport, base_url="http://gateway") as client:
            found = client.get("/stats", params={"format": "json", "filter": f"^{prefix}"}).json()["stats"]
        return {each["name"].removeprefix(prefix): each["value"] for each in found if "value" in each}

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=10.0, verify=False)

    def load(self, *, consumers: int = 4, path: str = "/housing/v1/predict") -> Load:
        return Load(self, consumers=consumers, path=path)


@pytest.fixture(scope="module")
def standing_site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="gw", dir="/tmp"))  # short on purpose; made for its owner only
    made = Site(folder=folder, gateway=Gateway(folder=folder / "g", port=free_port()))
    try:
        yield made
    finally:
        processes = [*(server.process for server in made.servers.values()), *([made.envoy] if made.envoy else [])]
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)
        shutil.rmtree(folder)


@pytest.fixture
def site(standing_site: Site) -> Site:
    """A gateway that routes nothing yet; servers of earlier tests may still run behind it."""
    if not standing_site.gateway.ready():
        standing_site.start_envoy()
    replace(standing_site.gateway, linger_s=0.0).apply(Routing())
    return standing_site


@pytest.fixture
def read_lines() -> Callable[[Path], list[dict[str, Any]]]:
    return lambda path: [json.loads(line) for line in path.read_text().splitlines()]
