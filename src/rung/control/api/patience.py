"""How long and how much the API listens: to a request that does not come to its end, and to one that is too large.

Consumers' requests go through the gateway, which sees to it; the API listens itself. What is refused here has cost
nothing yet: no thread, no row, no more memory than the limit. Wired in `__main__` (the protocol) and `_api` (bodies).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h11
from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol

from rung.serving._problems import ProblemError

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MAX_BODY_BYTES", "MAX_CONNECTIONS", "BodyLimit", "PatientProtocol"]

MAX_BODY_BYTES = 1024 * 1024
"""Bytes of one request to the API."""
MAX_CONNECTIONS = 500
"""At a time; more get a 503."""
_ARRIVES_S = 20.0  # for a request to come in whole, from the first moment of its connection
_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with an end to patience: uvicorn waits for headers and bodies for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came in; stop waiting when that was all."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Go on to the next request; a silent connection is uvicorn's affair."""
        super().on_response_complete()
        if self.conn.trailing_data[0]:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._stop()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(_ARRIVES_S, self._give_up)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self.cycle is None or not self.cycle.response_started:
            self.transport.write(_LATE)
        self.transport.close()


class BodyLimit:
    """Middleware that reads no more of a body than the API can need."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if len(declared) > len(str(MAX_BODY_BYTES)) or int(declared) > MAX_BODY_BYTES:
            await _too_large().response()(scope, receive, send)
            return
        try:
            body = await _read(receive)
        except ClientDisconnect:  # half a request is none
            return
        if body is None:
            await _too_large().response()(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)


async def _read(receive: Receive) -> bytes | None:
    """Read a body; None when it is too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read, then what comes after it."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Any:
        return first.pop() if first else await receive()

    return give


def _too_large() -> ProblemError:
    return ProblemError(status=413, detail=f"the body has more than {MAX_BODY_BYTES:,} bytes")
