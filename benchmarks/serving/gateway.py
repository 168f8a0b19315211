"""How much latency the gateway adds, as Rung configures it and otherwise. Called by `run.py`.

One server listens on a TCP port, a second one, as deployed, on a socket file; wrk asks the first directly and either
through Envoy. Envoy shares the servers' core: with one connection they work by turns.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rung_service
from load import Load, send
from process import SERVER_CORE, Command, ServerError, await_answer, free_port, running

from rung.gateway import Backend, Gateway, Production, Routing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from contender import Contender, Lab, Place

__all__ = ["DIRECT", "SERVED", "WAYS", "Way", "measure"]

DIRECT = "the server itself, TCP"
SERVED = "rung-constant"  # a handler without a model: what the gateway adds is not lost in what a model takes
REVISION = "constant"
READY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One configuration of the gateway."""

    title: str
    socket: bool = True  # Envoy reaches the server by its socket file, else by TCP
    threads: int = 2  # of Envoy
    buffered: bool = True  # Envoy keeps a request until all of it is there
    core: int | None = SERVER_CORE  # of Envoy; None: all of them


WAYS = (
    Way(title="as Rung configures it: socket file, 2 threads, requests buffered"),
    Way(title="TCP loopback instead of the socket file", socket=False),
    Way(title="1 thread", threads=1),
    Way(title="requests not buffered", buffered=False),
    Way(title="Envoy on all cores", core=None),
)


def measure(contender: Contender, place: Place, *, seconds: int, scratch: Path) -> dict[str, float]:
    """Give the median latency at c = 1 of the server and of every way to it, milliseconds.

    Raises:
        ServerError: The server or an Envoy did not start, or a request failed.
    """
    lab, log = place.lab, scratch / "gateway-servers.log"
    body, expected = lab.body(contender.payload, 1), lab.answers(contender.model, 1)
    deployed = rung_service.server(lab, REVISION, python=place.python)
    with running(contender.start_command(place), log) as process, running(deployed, log):
        direct = contender.url(place)
        await_answer(
            direct, body.read_bytes(), lambda answer: contender.check(answer, expected), process=process, log=log
        )
        found = {DIRECT: _latency(direct, body, seconds)}
        for way in WAYS:
            found[way.title] = _through(way, lab, place, contender, seconds=seconds, scratch=scratch)
    return found


def _through(way: Way, lab: Lab, place: Place, contender: Contender, *, seconds: int, scratch: Path) -> float:
    gateway = _Gateway(way, rung_service.platform(lab).sockets / f"envoy-{free_port()}")
    name = rung_service.revision(REVISION)
    endpoint = rung_service.socket_of(lab, REVISION) if way.socket else f"127.0.0.1:{place.port}"
    log = scratch / "envoy.log"
    body, expected = lab.body(contender.payload, 1), lab.answers(contender.model, 1)
    with running(gateway.command(scratch), log) as process:
        gateway.route(str(name), endpoint)
        url = f"http://127.0.0.1:{gateway.envoy.port}/bench/v1/predict"
        await_answer(url, body.read_bytes(), lambda answer: contender.check(answer, expected), process=process, log=log)
        return _latency(url, body, seconds)


def _latency(url: str, body: Path, seconds: int) -> float:
    send(Load(url=url, body=body, connections=1, seconds=1), instances=1)  # connections are made, code is compiled
    return send(Load(url=url, body=body, connections=1, seconds=seconds), instances=1).p50_ms


class _Gateway:
    def __init__(self, way: Way, folder: Path) -> None:
        self.way = way
        self.envoy = Gateway(folder=folder, port=free_port(), threads=way.threads)

    def command(self, scratch: Path) -> Command:
        self.envoy.prepare()
        if not self.way.buffered:
            path = self.envoy.folder / "bootstrap.json"
            path.write_text(json.dumps(unbuffered(json.loads(path.read_text()))))
        return Command(
            arguments=tuple(self.envoy.command()), folder=scratch, variables=dict(os.environ), core=self.way.core
        )

    def route(self, revision: str, endpoint: str) -> None:
        deadline = time.monotonic() + READY_S
        while not self.envoy.ready():
            if time.monotonic() > deadline:
                raise ServerError(f"Envoy was not ready within {READY_S:g} s: see {self.envoy.log}")
            time.sleep(0.02)
        backend = Backend(revision=revision, endpoints=(endpoint,))
        production = Production(service="bench", major=1, incumbent=revision)
        self.envoy.apply(Routing(backends=(backend,), productions=(production,)))


def unbuffered(bootstrap: Mapping[str, Any]) -> dict[str, Any]:
    """Give Envoy's configuration without the filter that waits for the whole request."""
    changed: dict[str, Any] = json.loads(json.dumps(bootstrap))
    for listener in changed["static_resources"]["listeners"]:
        for chain in listener["filter_chains"]:
            for filter_ in chain["filters"]:
                settings = filter_["typed_config"]
                settings["http_filters"] = [
                    kept for kept in settings["http_filters"] if kept["name"] != "envoy.filters.http.buffer"
                ]
    return changed
