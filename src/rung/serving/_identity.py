"""Every answer, whoever makes it, names the request and the revision: `x-request-id` and `x-revision`."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = b"x-request-id"
REVISION = b"x-revision"
_LONGEST = 128  # letters of an id that is taken over; outcomes name predictions by it
_STATE = "rung_request_id"


class Named:
    """Names the answers of an application, also those of middleware and of errors nobody handled."""

    def __init__(self, app: ASGIApp, *, revision: bytes) -> None:
        self._app = app
        self._revision = revision

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        first = identity(_given(scope["headers"]))
        name_again(scope, first)

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                request_id = (named_before(scope) or first).encode("latin-1")
                others = [header for header in message.get("headers", ()) if header[0] not in (REQUEST_ID, REVISION)]
                names = ((REQUEST_ID, request_id), (REVISION, self._revision))
                message["headers"] = [*others, *names]
            await send(message)

        await self._app(scope, receive, send_named)


def named_before(scope: Scope) -> str | None:
    """Give the id that a request was given further out."""
    found: str | None = scope.get("state", {}).get(_STATE)
    return found


def name_again(scope: Scope, request_id: str) -> None:
    """Give a request another id than it was given further out; its answer will carry it."""
    scope.setdefault("state", {})[_STATE] = request_id


def identity(given: bytes) -> str:
    """Take over the id that a request came with; make one when it has none, or one that nobody could log."""
    if 0 < len(given) <= _LONGEST and given.isascii():
        taken = given.decode("ascii")
        if taken.isprintable():
            return taken
    return secrets.token_hex(16)


def _given(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return next((value for name, value in headers if name == REQUEST_ID), b"")
