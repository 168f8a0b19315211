"""The application as ASGI: prediction routes are answered ahead of FastAPI's routing, which costs more than they do.

FastAPI stays FastAPI: a route whose handler has other dependencies goes through it, and so does everything else. Where
the author has added middleware, the short way begins behind it; elsewhere at the very front.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request

from rung.serving._explaining import asks_why
from rung.serving._identity import REQUEST_ID, REVISION, Named, name_again, named_before
from rung.serving._problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from rung.serving._endpoint import Endpoint
    from rung.serving._explaining import Explaining
    from rung.serving._observe import Observer

_JSON = (b"content-type", b"application/json")
_CLOSE = ((b"connection", b"close"),)
_REFUSED = ProblemError(status=401, detail="this server answers its gateway").response()


class ServingApp(FastAPI):
    """A FastAPI application that answers its prediction routes itself and names every answer."""

    is_draining = False
    """It is about to end: callers are asked to open another connection next time."""
    token: bytes | None = None
    """What a request must bring in the header `x-rung-server-token`; None where only a socket file leads here."""
    _is_traced = True

    def begin(self) -> None:
        """Find out, once for all requests, what FastAPI would ask at each: whether telemetry has been set up.

        Where Rung traces itself, FastAPI's own spans would only say the same again.
        """
        telemetry = getattr(self, "_native_telemetry", None)
        is_set_up = telemetry is None or telemetry.enabled()
        self._is_traced = bool(self.root_path) or (is_set_up and self.state.rung_observer.tracer is None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if self.token is not None and scope["type"] == "http" and not _holds(scope, self.token):
            await _REFUSED(scope, receive, send)
            return
        if self._is_traced or scope["type"] != "http" or self.middleware_stack is None:
            await super().__call__(scope, receive, send)
        else:
            scope["app"] = self
            await self.middleware_stack(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """Put the names around everything, and the short way where it is shortest."""
        state = self.state
        routes = {f"/{route}": endpoint for route, endpoint in state.rung_endpoints.items() if endpoint.is_plain}
        revision = state.rung_observer.revision.encode("latin-1", errors="replace")
        if not self.user_middleware:
            return ShortWay(Named(super().build_middleware_stack(), revision=revision), owner=self, routes=routes)
        self.user_middleware.append(Middleware(ShortWay, owner=self, routes=routes))
        try:
            return Named(super().build_middleware_stack(), revision=revision)
        finally:
            self.user_middleware.pop()


def _holds(scope: Scope, token: bytes) -> bool:
    given = (value for name, value in scope["headers"] if name == b"x-rung-server-token")
    return hmac.compare_digest(next(given, b""), token)


class ShortWay:
    """Answers plain prediction routes, and lets everything else pass."""

    def __init__(self, app: ASGIApp, *, owner: ServingApp, routes: Mapping[str, Endpoint]) -> None:
        self._app = app
        self._owner = owner
        self._routes = routes
        self._observer: Observer = owner.state.rung_observer
        self._explaining: Mapping[str, Explaining] = owner.state.rung_explaining
        self._revision = self._observer.revision.encode("latin-1", errors="replace")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if endpoint is None or scope.get("root_path"):
            await self._app(scope, receive, send)
            return
        observation = self._observer.begin(scope["headers"], route=endpoint.handler.route, id=named_before(scope))
        names = [(REQUEST_ID, observation.id.encode("latin-1")), (REVISION, self._revision)]
        try:
            if scope["query_string"] and asks_why(scope):
                body = await self._explaining[endpoint.handler.route].answer(observation, receive)
            else:
                body = await endpoint.answer(observation, receive)
        except Exception as error:  # noqa: BLE001  as FastAPI's own outermost layer
            name_again(scope, observation.id)
            response = await self._explained(error, Request(scope, receive, send))
            response.raw_headers.extend((*names, *(_CLOSE if self._owner.is_draining else ())))
            await response(scope, receive, send)
            return
        headers = [_JSON, (b"content-length", b"%d" % len(body)), *names, *(_CLOSE if self._owner.is_draining else ())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _explained(self, error: Exception, request: Request) -> Response:
        """Give the answer that the application has for this error, its own or the author's."""
        handlers: Mapping[Any, Any] = self._owner.exception_handlers
        explain = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
        response: Response = await explain(request, error)
        return response
