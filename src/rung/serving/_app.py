"""`create_serving_app`: the author's handlers as a FastAPI application with health, metrics and a prediction log.

FastAPI stays FastAPI: `/docs`, middleware and ordinary dependencies work. The body of a prediction route is read by the
handler's own models, once, so that errors name the instance.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
import inspect
import json
import logging
import os
import signal
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from rung.errors import RungError, SchemaError
from rung.features import Recorded
from rung.infrastructure import Infrastructure
from rung.serving._artifact import Artifacts, artifacts_of, asked_artifacts
from rung.serving._asgi import ServingApp
from rung.serving._bundle import read_bundle
from rung.serving._endpoint import Endpoint, Intake
from rung.serving._explaining import Explaining, asks_why
from rung.serving._features import ServedViews, read_views, refuse_nested, views_of_app
from rung.serving._handler import Handler, read_handler
from rung.serving._identity import named_before
from rung.serving._observe import Observer
from rung.serving._openapi import describe_routes
from rung.serving._problems import ProblemError, places
from rung.serving._tracing import tracer_of
from rung.serving._v2 import add_v2
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from fastapi import FastAPI

_logger = logging.getLogger("rung.serving")
_SAMPLE_S = 1.0
"""Between two looks at what a worker takes."""
_AGAIN_S = 2.0
"""Until features that were not there are looked for again."""


def create_serving_app(**handlers: Callable[..., Any]) -> FastAPI:
    """Make the application that serves a revision: one route for each handler, named by its keyword.

    `create_serving_app(large=..., small=...)` answers `POST /large` and `POST /small`, and beside them `/docs`,
    `/livez`, `/readyz` and `/metrics`. It starts without trained artifacts; a route whose artifact is not there answers
    503. Errors are problem details (RFC 9457).

    Raises:
        SchemaError: There is no handler, a handler's signature is not that of a handler, it takes features that
            `features.py` has not, it is `@explained` by an artifact that it does not take, or the keywords are not the
            values of the service's `Route`.
    """
    if not handlers:
        raise SchemaError("create_serving_app() was given no handler", hint="write create_serving_app(predict=predict)")
    _agree_with_routes(handlers)
    read = {route: read_handler(route, function) for route, function in handlers.items()}
    app = ServingApp(title=_title(handlers), lifespan=_lifespan)
    app.state.rung_artifacts = Artifacts()
    app.state.rung_features = ServedViews(read_views(read.values(), _package(next(iter(handlers.values())))))
    app.state.rung_observer = Observer.from_environment(os.environ)
    intake = Intake()
    app.state.rung_endpoints = {
        route: Endpoint(handler, app.state.rung_artifacts, app.state.rung_observer, intake, app.state.rung_features)
        for route, handler in read.items()
    }
    app.state.rung_explaining = {}
    app.state.rung_ready = "the application has not started"
    for endpoint in endpoints_of(app).values():
        _add_route(app, endpoint)
    refuse_nested(app)
    _add_health(app)
    add_v2(app, endpoints_of(app))
    _add_problems(app)
    describe_routes(app, read.values())
    return app


def handlers_of(app: FastAPI) -> dict[str, Handler]:
    """Give the handlers of an application made by `create_serving_app`, by route.

    Raises:
        SchemaError: The application was made in another way.
    """
    return {route: endpoint.handler for route, endpoint in endpoints_of(app).items()}


def endpoints_of(app: FastAPI) -> dict[str, Endpoint]:
    """Give the endpoints of an application made by `create_serving_app`, by route.

    Raises:
        SchemaError: The application was made in another way.
    """
    found: dict[str, Endpoint] | None = getattr(app.state, "rung_endpoints", None)
    if found is None:
        raise SchemaError("this application has no handlers", hint="make it with create_serving_app(...)")
    return found


def needed_artifacts(app: FastAPI) -> frozenset[str]:
    """Name the artifacts that the handlers take, directly or through dependencies: what training owes."""
    return frozenset(artifact.name for artifact in asked_artifacts(app, handlers_of(app).values()))


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


def _add_route(app: FastAPI, endpoint: Endpoint) -> None:
    """Let FastAPI know the route: for its document, and to resolve what is neither body nor artifact."""
    handler = endpoint.handler
    explaining = app.state.rung_explaining[handler.route] = Explaining(endpoint)

    async def answer(http_request: Request, **others: Any) -> Response:
        scope = http_request.scope
        observation = endpoint.observer.begin(scope["headers"], route=handler.route, id=named_before(scope))
        answering = explaining.answer if asks_why(scope) else endpoint.answer
        body = await answering(observation, http_request.receive, others)
        return Response(body, media_type="application/json")

    http_parameter = inspect.Parameter("http_request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    answer.__signature__ = inspect.Signature([http_parameter, *handler.others])  # type: ignore[attr-defined]
    app.add_api_route(
        f"/{handler.route}",
        answer,
        methods=["POST"],
        name=handler.route,
        description=inspect.getdoc(handler.function),
        response_model=None,
    )


def _add_health(app: FastAPI) -> None:
    async def livez() -> Response:
        """Tell that the process answers."""
        return JSONResponse({"status": "alive"})

    async def readyz() -> Response:
        """Tell whether artifacts are loaded and a prediction could be made, and what answers for each artifact."""
        because = app.state.rung_ready
        if because:
            return ProblemError(status=503, detail=f"not ready: {because}").response()
        revision, runtimes = app.state.rung_observer.revision, artifacts_of(app).runtimes
        return JSONResponse({"status": "ready", "revision": revision, "artifacts": runtimes})

    async def metrics() -> Response:
        """Give the metrics of all workers in the Prometheus text format."""
        return Response(app.state.rung_observer.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    for path, function in (("/livez", livez), ("/readyz", readyz), ("/metrics", metrics)):
        app.add_api_route(path, function, methods=["GET"], include_in_schema=False, response_model=None)


def _add_problems(app: FastAPI) -> None:
    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)  # noqa: S101  registered for this class
        if error.__cause__ is not None or error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            told = {"request_id": named_before(request.scope)}
            _logger.error("prediction_failed: %s", error.detail, exc_info=error.__cause__, extra=told)
        return error.response()

    async def http_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  registered for this class
        return ProblemError(status=error.status_code, detail=str(error.detail), headers=error.headers or {}).response()

    async def parameter_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class
        errors = places(error.errors())
        return ProblemError(status=422, detail="the request does not fit the route", errors=errors).response()

    async def unexpected(request: Request, error: Exception) -> Response:
        told = {"request_id": named_before(request.scope)}
        _logger.error("request_failed: %s", request.url.path, exc_info=error, extra=told)
        return ProblemError(status=500, detail=f"the service raised {type(error).__name__}").response()

    app.add_exception_handler(ProblemError, problem)
    app.add_exception_handler(HTTPException, http_problem)
    app.add_exception_handler(RequestValidationError, parameter_problem)
    app.add_exception_handler(Exception, unexpected)


@asynccontextmanager
async def _lifespan(app: ServingApp) -> AsyncIterator[None]:
    observer: Observer = app.state.rung_observer
    observer.tracer = views_of_app(app).tracer = tracer_of(os.environ, observer.revision)
    app.state.rung_ready = await _make_ready(app)
    app.begin()
    beside = [asyncio.create_task(_wait_for_features(app)), asyncio.create_task(_take_stock(app))]
    yield
    for task in beside:
        task.cancel()
    for endpoint in endpoints_of(app).values():
        endpoint.close()
    views_of_app(app).close()
    await asyncio.to_thread(observer.close)  # traces are sent at last, which may take a while


async def _make_ready(app: FastAPI) -> str:
    """Load the revision's artifacts and answer its example once; give what is missing, or "" when all is well."""
    state, revision = os.environ.get("RUNG_STATE"), os.environ.get("RUNG_REVISION")
    artifacts = artifacts_of(app)
    needed = needed_artifacts(app)
    if state and revision:
        try:
            _open_features(app, Path(state))  # first: it may have to be tried again
            signed = _signed_bundles(os.environ)
            bundle = read_bundle(Path(state), revision, digest=(signed or {}).get(revision))
            artifacts.load(needed, state=Path(state), revision=revision, signed=signed)
            serving = Infrastructure.model_validate(bundle.infrastructure).serving
            for endpoint in endpoints_of(app).values():
                endpoint.deploy(serving, replace=_replace_this_process)
            if "RUNG_FETCHED" not in os.environ:  # there are features of one prediction alone
                await _answer_example(app, bundle.example)
            gc.collect()
            gc.freeze()  # what is there now stays: no later collection needs to look at it
        except (RungError, ProblemError) as error:
            _logger.exception("not_ready")
            return str(error)
        except Exception as error:  # anything of the service's may raise; a server that tells why beats none
            _logger.exception("not_ready")
            return f"{type(error).__name__}: {error}"
    missing = artifacts.missing(needed)
    if missing:
        return f"the artifacts {', '.join(missing)} are not there"
    without = views_of_app(app).missing()
    return f"the features {', '.join(without)} are not there" if without else ""


async def _take_stock(app: FastAPI) -> None:
    """Measure now and then what this worker takes, and what waits in it."""
    endpoints = endpoints_of(app)
    intake = next(iter(endpoints.values())).intake  # of all routes
    while True:
        waiting = {route: endpoint.waiting for route, endpoint in endpoints.items()}
        app.state.rung_observer.sample(waiting=waiting, held=intake.held)
        await asyncio.sleep(_SAMPLE_S)


async def _wait_for_features(app: FastAPI) -> None:
    """Look again while the online store does not have what handlers take: it may be there later."""
    served = views_of_app(app)
    is_late = served.is_awaited
    while served.is_awaited:
        await asyncio.sleep(_AGAIN_S)
        with suppress(RungError):  # which was told the first time
            _open_features(app, Path(os.environ["RUNG_STATE"]))
    if is_late:
        app.state.rung_ready = await _make_ready(app)


def _open_features(app: FastAPI, state: Path) -> None:
    """Open the online store, where handlers take features; or the record of what was fetched for a prediction."""
    served = views_of_app(app)
    if "RUNG_FETCHED" in os.environ:
        served.replay(Recorded(Path(os.environ["RUNG_FETCHED"]).read_bytes()))
    elif served.views:
        served.open(find(Path.cwd()).settings().online_store, state)


def _signed_bundles(environment: Mapping[str, str]) -> dict[str, str] | None:
    """Give the digests of the bundles that the control plane verified, by revision; None: nobody has looked."""
    told = environment.get("RUNG_BUNDLES")
    return None if told is None else dict(json.loads(told))


async def _answer_example(app: FastAPI, example: Mapping[str, Any]) -> None:
    for route, endpoint in endpoints_of(app).items():
        if route in example and endpoint.is_plain:
            await endpoint.rehearse(endpoint.handler.body.validate_python(example[route]))


def _replace_this_process() -> None:
    """End this worker, after what it still can answer: gunicorn starts another."""
    _logger.error("calls_hang: this worker is replaced")
    os.kill(os.getpid(), signal.SIGTERM)
