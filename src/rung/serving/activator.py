"""The activator: holds the requests of revisions that sleep until a replica is awake, then hands them on.

A process of its own, as nothing in the path of requests goes through the control plane. The control plane writes who
may sleep (`Sleeper`) into a file, and the endpoints of those that are awake; each has a socket of its own here, which
the gateway uses while it has no replica.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from rung._http import bearing
from rung.serving._problems import ProblemError
from rung.serving._protocol import WholeAnswers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request

__all__ = ["Sleeper", "main", "read", "write"]

_LOOK_S = 0.05
_READY_S = 2.0
_NOT_HANDED_ON = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding", b"expect"})
_NOT_HANDED_BACK = frozenset({"connection", "content-encoding", "content-length", "date", "transfer-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleeper:
    """A revision that may sleep."""

    socket: str
    """Path at which its requests are held."""
    hold_s: float
    """How long at the most."""
    timeout_s: float
    """Of a request, when it has been handed on."""
    endpoints: tuple[str, ...]
    """Of its replicas, ready or not: `unix:/...` or `address:port`; none while it sleeps."""


def write(path: Path, sleepers: Mapping[str, Sleeper]) -> None:
    """Tell the activator, by rename."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps({name: asdict(one) for name, one in sorted(sleepers.items())}), encoding="utf-8")
    draft.replace(path)


def read(path: Path) -> dict[str, Sleeper]:
    """Read what the activator is told, by revision; nothing when nothing is there."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    return {name: Sleeper(**{**one, "endpoints": tuple(one["endpoints"])}) for name, one in found.items()}


class _Server(uvicorn.Server):
    """One of several in a process, which ends them all."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Activator:
    """Listens for each revision that may sleep."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: int | None = None
        self._sleepers: dict[str, Sleeper] = {}
        self._servers: dict[str, tuple[_Server, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Follow the file until the task is cancelled."""
        try:
            while True:
                self._follow()
                await asyncio.sleep(_LOOK_S)
        finally:
            for server, _ in self._servers.values():
                server.should_exit = True
            await asyncio.gather(*(task for _, task in self._servers.values()))

    def _follow(self) -> None:
        with suppress(FileNotFoundError):
            stamp = self._path.stat().st_mtime_ns
            if stamp != self._stamp:
                self._stamp, self._sleepers = stamp, read(self._path)
        for name, sleeper in self._sleepers.items():
            if name not in self._servers:
                Path(sleeper.socket).unlink(missing_ok=True)
                app = Starlette(
                    routes=[
                        Route("/readyz", _is_ready),
                        Route("/{path:path}", self._held(name), methods=["GET", "POST"]),
                    ]
                )
                config = uvicorn.Config(
                    app,
                    uds=sleeper.socket,
                    http=WholeAnswers,
                    lifespan="off",
                    log_level="warning",
                    access_log=False,
                    server_header=False,
                )
                server = _Server(config)
                self._servers[name] = server, asyncio.create_task(server.serve())
        for name in self._servers.keys() - self._sleepers.keys():
            self._servers.pop(name)[0].should_exit = True

    def _held(self, name: str) -> Any:
        async def hold(request: Request) -> Response:
            """Wait for a replica, and hand the request on; it has not been seen by anybody before."""
            sleeper = self._sleepers[name]
            try:
                async with asyncio.timeout(sleeper.hold_s):
                    endpoint = await self._awake(name)
            except TimeoutError:
                told = f"no replica woke up within {sleeper.hold_s:g} s"
                return ProblemError(status=503, detail=told, headers={"retry-after": "5"}).response()
            return await _hand_on(request, endpoint, timeout_s=sleeper.timeout_s)

        return hold

    async def _awake(self, name: str) -> str:
        """Wait until a replica is ready; give where it listens."""
        while True:
            for endpoint in self._sleepers[name].endpoints if name in self._sleepers else ():
                with suppress(httpx2.HTTPError):
                    async with _connect(endpoint, timeout_s=_READY_S) as client:
                        if (await client.get("/readyz", headers=_token())).is_success:
                            return endpoint
            await asyncio.sleep(_LOOK_S)


async def _is_ready(_request: Request) -> Response:
    return Response()


async def _hand_on(request: Request, endpoint: str, *, timeout_s: float) -> Response:
    body = await request.body()
    headers = [(name, value) for name, value in request.headers.raw if name not in _NOT_HANDED_ON]
    headers += [(name.encode(), value.encode()) for name, value in _token().items()]
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    try:
        async with _connect(endpoint, timeout_s=timeout_s) as client:
            answer = await client.request(request.method, path, content=body, headers=headers)
    except httpx2.TimeoutException:
        return ProblemError(status=504, detail=f"the prediction took longer than {timeout_s:g} s").response()
    except httpx2.HTTPError as error:
        told = f"the replica that woke up does not answer ({type(error).__name__})"
        return ProblemError(status=503, detail=told, headers={"retry-after": "1"}).response()
    response = Response(answer.content, status_code=answer.status_code)
    kept = [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in _NOT_HANDED_BACK]
    for name, value in kept:
        response.headers[name] = value
    return response


def _token() -> dict[str, str]:
    return bearing(os.environ.get("RUNG_SERVER_TOKEN"))


def _connect(endpoint: str, *, timeout_s: float) -> httpx2.AsyncClient:
    if endpoint.startswith("unix:"):
        transport = httpx2.AsyncHTTPTransport(uds=endpoint.removeprefix("unix:"), verify=False)
        return httpx2.AsyncClient(transport=transport, base_url="http://server", timeout=timeout_s)
    transport = httpx2.AsyncHTTPTransport(verify=False)
    return httpx2.AsyncClient(transport=transport, base_url=f"http://{endpoint}", timeout=timeout_s)


def main(arguments: list[str] | None = None) -> None:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m rung.serving.activator", description=__doc__)
    parser.add_argument("--sleepers", required=True, type=Path, help="file that the control plane writes")
    options = parser.parse_args(arguments)
    asyncio.run(_until_stopped(_Activator(options.sleepers)))


async def _until_stopped(activator: _Activator) -> None:
    task = asyncio.create_task(activator.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    main()
