"""The handlers of a revision, asked in this process, without a server or a socket.

It runs inside the revision's own environment, with the Rung that the revision was made with, which may be older than
this file: so it imports nothing of Rung, and talks to the application as any ASGI server does. What is asked goes
through the same validation, features, artifacts and checks as a request of a consumer.

`rung predict` copies it beside its workers, `rung export --to mlflow` into the model.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

__all__ = ["Handlers", "NotReadyError", "Refused", "UnavailableError"]

_OK = 200
_AGAIN = frozenset({429, 503})  # asked again, such a request may be answered
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)


class NotReadyError(Exception):
    """The application does not start, or something that it needs is not there."""


class UnavailableError(Exception):
    """Something that the handlers need does not answer, although it was waited for."""


class Refused:
    """An instance without a prediction, and why."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Handlers:
    """An application that was started once, and answers until it is closed. Any thread may ask.

    Args:
        application: `module:attribute`.

    Raises:
        NotReadyError: It could not answer a prediction.
    """

    def __init__(self, application: str) -> None:
        module, _, attribute = application.partition(":")
        self._app: Any = getattr(importlib.import_module(module), attribute)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rung-handlers", daemon=True)
        self._thread.start()
        self._events: asyncio.Queue[str] = asyncio.Queue()
        self._lifespan: asyncio.Task[None] | None = None
        try:
            self._wait(self._start())
        except BaseException:
            self._end()
            raise

    def predict(self, route: str, instances: Sequence[bytes], parameters: bytes | None = None) -> list[Any]:
        """Ask for predictions, in one request if that is answered.

        Args:
            route: The handler's.
            instances: Each as JSON; no more than the route takes in one request.
            parameters: As JSON; None: the service's defaults.

        Returns:
            For each instance its prediction as JSON data, or why there is none (`Refused`).

        Raises:
            UnavailableError: A handler says that it cannot answer now, again and again.
        """
        return list(self._wait(self.answer(route, instances, parameters)))

    async def answer(self, route: str, instances: Sequence[bytes], parameters: bytes | None) -> list[Any]:
        """As `predict`, in the loop of this object."""
        status, body = await self._patiently(f"/{route}", _body(instances, parameters))
        if status == _OK:
            return list(json.loads(body)["predictions"])
        because = _told(status, body)
        if len(instances) == 1:
            return [Refused("; ".join(because.of(0)))]
        if because.named and max(because.named) < len(instances):
            return await self._without(because, route, instances, parameters)
        middle = len(instances) // 2
        first = await self.answer(route, instances[:middle], parameters)
        return first + await self.answer(route, instances[middle:], parameters)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the loop of this object, and wait for what it gives."""
        return self._wait(coroutine)

    def close(self) -> None:
        """Let the application end."""
        self._wait(self._stop())
        self._end()

    async def _without(
        self, because: _Because, route: str, instances: Sequence[bytes], parameters: bytes | None
    ) -> list[Any]:
        """Ask again for the instances that nothing was said against."""
        kept = [index for index in range(len(instances)) if index not in because.named]
        answered = iter(await self.answer(route, [instances[index] for index in kept], parameters) if kept else ())
        return [
            Refused("; ".join(because.of(index))) if index in because.named else next(answered)
            for index in range(len(instances))
        ]

    async def _patiently(self, path: str, body: bytes) -> tuple[int, bytes]:
        for pause_s in _PAUSES_S:
            status, answer = await self._request("POST", path, body)
            if status not in _AGAIN:
                return status, answer
            await asyncio.sleep(pause_s)
        status, answer = await self._request("POST", path, body)
        if status in _AGAIN:
            raise UnavailableError("; ".join(_told(status, answer).of(0)))
        return status, answer

    async def _start(self) -> None:
        self._lifespan = asyncio.ensure_future(self._live())
        outcome = await self._events.get()
        if outcome:
            raise NotReadyError(outcome)
        status, answer = await self._request("GET", "/readyz", b"")
        if status != _OK:
            await self._stop()
            raise NotReadyError("; ".join(_told(status, answer).of(0)))

    async def _live(self) -> None:
        """Tell the application to start, and once `_stop` says so to end; https://asgi.readthedocs.io, lifespan."""
        self._over = asyncio.Event()
        is_told = False

        async def receive() -> dict[str, Any]:
            nonlocal is_told
            if is_told:
                await self._over.wait()
                return {"type": "lifespan.shutdown"}
            is_told = True
            return {"type": "lifespan.startup"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self._events.put("")
            elif message["type"] == "lifespan.startup.failed":
                await self._events.put(str(message.get("message")) or "the application does not start")

        try:
            await self._app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
        except Exception as error:  # noqa: BLE001  whoever waits for the start is told
            await self._events.put(f"{type(error).__name__}: {error}")

    async def _stop(self) -> None:
        self._over.set()
        if self._lifespan is not None:
            await self._lifespan

    async def _request(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Hand the application one request; give the status and the body of the answer."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
            "client": None,
            "server": ("localhost", 80),
            "state": {},
        }
        given = iter(({"type": "http.request", "body": body, "more_body": False},))
        found: dict[str, Any] = {"status": 500, "body": b""}

        async def receive() -> dict[str, Any]:
            return next(given, {"type": "http.disconnect"})

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                found["status"] = message["status"]
            else:
                found["body"] += message.get("body", b"")

        with suppress(Exception):  # the application answers, then raises again for its server's log
            await self._app(scope, receive, send)
        return found["status"], found["body"]

    def _wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Because:
    """What a problem says: of all instances, and of some by their places."""

    def __init__(self, told: str, named: dict[int, list[str]]) -> None:
        self.told = told
        self.named = named

    def of(self, index: int) -> list[str]:
        return self.named.get(index) or [self.told]


def _body(instances: Sequence[bytes], parameters: bytes | None) -> bytes:
    more = b"" if parameters is None else b',"parameters":' + parameters
    return b'{"instances":[' + b",".join(instances) + b"]" + more + b"}"


def _told(status: int, body: bytes) -> _Because:
    """Read a problem (RFC 9457) with pointers, as `/instances/3/rooms` or `/predictions/3/price`."""
    try:
        problem = json.loads(body)
    except ValueError:
        return _Because(f"{status}: no problem was told", {})
    named: dict[int, list[str]] = {}
    others: list[str] = []
    for error in problem.get("errors", ()):
        parts = str(error.get("pointer", "")).split("/")
        detail = str(error.get("detail", ""))
        if len(parts) > 2 and parts[1] in {"instances", "predictions"} and parts[2].isdigit():  # noqa: PLR2004
            place = "/".join(parts[3:])
            named.setdefault(int(parts[2]), []).append(f"{place}: {detail}" if place else detail)
        else:
            others.append(f"{'/'.join(parts[1:])}: {detail}")
    return _Because("; ".join([f"{status}: {problem.get('detail', '')}", *others]), named)
