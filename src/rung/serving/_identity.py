"""Every answer, whoever makes it, names the request and the revision: `x-request-id` and `x-revision`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from fastapi import FastAPI

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ID = b"x-request-id"
_REVISION = b"x-revision"
_LONGEST = 128  # letters of an id that is taken over; outcomes name predictions by it
_STATE = "rung_request_id"


class ServingApp(FastAPI):
    """A FastAPI application whose answers are named, also those of middleware and of errors nobody handled."""

    def build_middleware_stack(self) -> ASGIApp:
        """Put the names around everything."""
        return _Named(super().build_middleware_stack(), revision=self.state.rung_observer.revision)


def request_id(request: Request) -> str:
    """Give the id of a request, which is the id of its prediction."""
    found: str = request.scope["state"][_STATE]
    return found


class _Named:
    def __init__(self, app: ASGIApp, *, revision: str) -> None:
        self._app = app
        self._revision = revision.encode("latin-1", errors="replace")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = _identity(scope["headers"])
        scope.setdefault("state", {})[_STATE] = identity.decode("latin-1")

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [header for header in message.get("headers", ()) if header[0] not in (_ID, _REVISION)]
                message["headers"] = [*others, (_ID, identity), (_REVISION, self._revision)]
            await send(message)

        await self._app(scope, receive, send_named)


def _identity(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Take over the id that the request came with; make one when it has none, or one that nobody could log."""
    given = next((value for name, value in headers if name == _ID), b"")
    usable = 0 < len(given) <= _LONGEST and given.isascii() and given.decode("ascii").isprintable()
    return given if usable else str(uuid.uuid4()).encode()
