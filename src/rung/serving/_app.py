"""`create_serving_app`: the author's handlers as a FastAPI application with health, metrics and a prediction log.

FastAPI stays FastAPI: `/docs`, middleware and ordinary dependencies work. The body of a prediction route is read by the
handler's own models, once, so that errors name the instance.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import logging
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from rung.errors import RungError, SchemaError
from rung.serving._artifact import Artifact, Artifacts, artifacts_of
from rung.serving._bundle import read_bundle
from rung.serving._handler import Handler, read_handler
from rung.serving._identity import ServingApp, request_id
from rung.serving._metrics import Metrics
from rung.serving._observe import Observer
from rung.serving._openapi import describe_routes
from rung.serving._predict import call, read_request, write_answer
from rung.serving._problems import ProblemError, pointer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastapi import FastAPI

MAX_BODY_BYTES = 10 * 1024 * 1024
"""Bytes of one request; a larger one gets a 413."""

_logger = logging.getLogger("rung.serving")


def create_serving_app(**handlers: Callable[..., Any]) -> FastAPI:
    """Make the application that serves a revision: one route for each handler, named by its keyword.

    `create_serving_app(large=..., small=...)` answers `POST /large` and `POST /small`, and beside them `/docs`,
    `/livez`, `/readyz` and `/metrics`. It starts without trained artifacts; a route whose artifact is not there answers
    503. Errors are problem details (RFC 9457).

    Raises:
        SchemaError: There is no handler, a handler's signature is not that of a handler, or the keywords are not the
            values of the service's `Route`.
    """
    if not handlers:
        raise SchemaError("create_serving_app() was given no handler", hint="write create_serving_app(predict=predict)")
    _agree_with_routes(handlers)
    read = {route: read_handler(route, function) for route, function in handlers.items()}
    app = ServingApp(title=_title(handlers), lifespan=_lifespan)
    app.state.rung_handlers = read
    app.state.rung_artifacts = Artifacts()
    app.state.rung_observer = Observer.from_environment(os.environ)
    app.state.rung_ready = "the application has not started"
    for handler in read.values():
        _add_route(app, handler)
    _add_health(app)
    _add_problems(app)
    describe_routes(app, read.values())
    return app


def handlers_of(app: FastAPI) -> dict[str, Handler]:
    """Give the handlers of an application made by `create_serving_app`, by route.

    Raises:
        SchemaError: The application was made in another way.
    """
    found: dict[str, Handler] | None = getattr(app.state, "rung_handlers", None)
    if found is None:
        raise SchemaError("this application has no handlers", hint="make it with create_serving_app(...)")
    return found


def needed_artifacts(app: FastAPI) -> frozenset[str]:
    """Name the artifacts that the handlers take, directly or through dependencies: what training owes."""
    direct = {artifact.name for handler in handlers_of(app).values() for artifact in handler.artifacts.values()}
    nested: set[str] = set()
    queue = [route.dependant for route in app.routes if hasattr(route, "dependant")]
    while queue:
        dependant = queue.pop()
        if isinstance(dependant.call, Artifact):
            nested.add(dependant.call.name)
        queue.extend(dependant.dependencies)
    return frozenset(direct | nested)


def _agree_with_routes(handlers: dict[str, Callable[..., Any]]) -> None:
    """Hold the keywords against the values of `Route` in the service's `schema/service.py`."""
    package = _package(next(iter(handlers.values())))
    if package is None or importlib.util.find_spec(f"{package}.schema") is None:
        return  # an application outside a service's package: nothing to agree with
    declared = getattr(importlib.import_module(f"{package}.schema.service"), "Route", None)
    if declared is None:
        raise SchemaError(
            f"{package}.schema.service has no Route", hint="write class Route(StrEnum) with one value for each handler"
        )
    routes = {str(route) for route in declared}
    without = sorted(routes - handlers.keys())
    unknown = sorted(handlers.keys() - routes)
    if without or unknown:
        parts = [f"Route has {name!r} without a handler" for name in without]
        parts += [f"the handler {name!r} is not in Route" for name in unknown]
        raise SchemaError(
            f"routes and handlers differ: {'; '.join(parts)}",
            hint="give create_serving_app one keyword for each value of Route in schema/service.py",
        )


def _package(handler: Callable[..., Any]) -> str | None:
    """Name the service's package that a handler of `<package>.serve` belongs to."""
    parts = str(getattr(handler, "__module__", "")).split(".")
    return ".".join(parts[: parts.index("serve")]) if "serve" in parts[1:] else None


def _title(handlers: dict[str, Callable[..., Any]]) -> str:
    package = _package(next(iter(handlers.values())))
    return package.rpartition(".")[2] if package else "rung service"


def _add_route(app: FastAPI, handler: Handler) -> None:
    observer: Observer = app.state.rung_observer

    async def endpoint(http_request: Request, **others: Any) -> Response:
        observation = observer.begin(http_request.headers, id=request_id(http_request), route=handler.route)
        try:
            request = read_request(handler, await _body(http_request))
            observation.received(request)
            written = write_answer(handler, await call(handler, request, artifacts_of(app), others))
        except (ProblemError, HTTPException) as problem:
            observer.end(observation, status=_status(problem), error=str(problem.detail))
            raise
        observer.end(observation, status=200, predictions=written)
        return Response(b'{"predictions":' + written + b"}", media_type="application/json")

    # FastAPI reads the signature: it resolves what is not the body and not an artifact.
    http_parameter = inspect.Parameter("http_request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    endpoint.__signature__ = inspect.Signature([http_parameter, *handler.others])  # type: ignore[attr-defined]
    app.add_api_route(
        f"/{handler.route}",
        endpoint,
        methods=["POST"],
        name=handler.route,
        description=inspect.getdoc(handler.function),
        response_model=None,
    )


def _status(problem: ProblemError | HTTPException) -> int:
    return problem.status if isinstance(problem, ProblemError) else problem.status_code


async def _body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    parts: list[bytes] = []
    size = int(declared) if declared.isdigit() else 0
    received = 0
    if size <= MAX_BODY_BYTES:
        try:
            async for part in request.stream():
                parts.append(part)
                received += len(part)
                if received > MAX_BODY_BYTES:
                    break
        except ClientDisconnect:
            raise ProblemError(status=400, detail="the body is not complete: the caller went away") from None
    if max(size, received) > MAX_BODY_BYTES:
        raise ProblemError(status=413, detail=f"the body has more than {MAX_BODY_BYTES:,} bytes")
    return b"".join(parts)


def _add_health(app: FastAPI) -> None:
    async def livez() -> Response:
        """Tell that the process answers."""
        return JSONResponse({"status": "alive"})

    async def readyz() -> Response:
        """Tell whether artifacts are loaded and a prediction could be made."""
        because = app.state.rung_ready
        if because:
            return ProblemError(status=503, detail=f"not ready: {because}").response()
        return JSONResponse({"status": "ready", "revision": app.state.rung_observer.revision})

    async def metrics() -> Response:
        """Give the metrics of all workers in the Prometheus text format."""
        return Response(Metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    for path, function in (("/livez", livez), ("/readyz", readyz), ("/metrics", metrics)):
        app.add_api_route(path, function, methods=["GET"], include_in_schema=False, response_model=None)


def _add_problems(app: FastAPI) -> None:
    async def problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)  # noqa: S101  registered for this class
        if error.__cause__ is not None:
            _logger.error("prediction_failed: %s", error.detail, exc_info=error.__cause__)
        return error.response()

    async def http_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  registered for this class
        return ProblemError(status=error.status_code, detail=str(error.detail), headers=error.headers or {}).response()

    async def parameter_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class
        errors = [{"pointer": pointer(found["loc"]), "detail": found["msg"]} for found in error.errors()]
        return ProblemError(status=422, detail="the request does not fit the route", errors=errors).response()

    async def unexpected(request: Request, error: Exception) -> Response:
        _logger.error("request_failed: %s", request.url.path, exc_info=error)
        return ProblemError(status=500, detail=f"the service raised {type(error).__name__}").response()

    app.add_exception_handler(ProblemError, problem)
    app.add_exception_handler(HTTPException, http_problem)
    app.add_exception_handler(RequestValidationError, parameter_problem)
    app.add_exception_handler(Exception, unexpected)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.rung_ready = await _make_ready(app)
    yield


async def _make_ready(app: FastAPI) -> str:
    """Load the revision's artifacts and answer its example once; give what is missing, or "" when all is well."""
    state, revision = os.environ.get("RUNG_STATE"), os.environ.get("RUNG_REVISION")
    artifacts = artifacts_of(app)
    needed = needed_artifacts(app)
    if state and revision:
        try:
            artifacts.load(needed, state=Path(state), revision=revision)
            await _answer_example(app, Path(state), revision)
        except (RungError, ProblemError) as error:
            _logger.exception("not_ready")
            return str(error)
        except Exception as error:  # anything of the service's may raise; a server that tells why beats none
            _logger.exception("not_ready")
            return f"{type(error).__name__}: {error}"
    missing = artifacts.missing(needed)
    return f"the artifacts {', '.join(missing)} are not there" if missing else ""


async def _answer_example(app: FastAPI, state: Path, revision: str) -> None:
    example = read_bundle(state, revision).example
    for route, handler in handlers_of(app).items():
        if route in example and not handler.others:
            request = handler.body.validate_python(example[route])
            await call(handler, request, artifacts_of(app), {})
