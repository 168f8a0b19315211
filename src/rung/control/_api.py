"""The REST API of the control plane: each use case one route. Loopback, and a token that only the owner can read."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from rung import __version__
from rung.control._analysis import add_analysis
from rung.control._view import event_json, promotion_json
from rung.errors import CallError, ConflictError, NotFoundError, RungError, UnavailableError
from rung.schema import RevisionName
from rung.serving._problems import ProblemError, pointer

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from rung.control._platform import Platform

_STATUS: tuple[tuple[type[RungError], int], ...] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (CallError, 422),
    (UnavailableError, 503),
    (RungError, 500),
)

_Service = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
_Actor = Annotated[str, Header(alias="x-rung-user", max_length=200)]
_MAX_EVENTS = 1_000


class DeployTraining(BaseModel):
    """Begin the next revision of a service."""

    model_config = ConfigDict(extra="forbid")

    service: _Service
    allow_dirty: bool = False


class Promote(BaseModel):
    """Begin an attempt."""

    model_config = ConfigDict(extra="forbid")

    ignore_plan: bool = False
    """Also when the traffic cannot decide the A/B test before its deadline."""


class Reason(BaseModel):
    """Why somebody does something."""

    model_config = ConfigDict(extra="forbid")

    because: Annotated[str, Field(max_length=2_000)] = ""


class Mirror(BaseModel):
    """A share of production that is mirrored to a revision."""

    model_config = ConfigDict(extra="forbid")

    share: Annotated[float, Field(ge=0, le=1)]
    """Of the requests; 0 ends it."""
    for_s: Annotated[float, Field(gt=0, le=30 * 86_400)] | None = None
    """Seconds after which it ends by itself."""


def create_api(platform: Platform, *, token: str, shut_down: Callable[[], None]) -> FastAPI:
    """Make the application; everything but `/healthz` wants the token."""

    def authorized(authorization: Annotated[str, Header()] = "") -> None:
        if not secrets.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "the token is missing or wrong")

    app = FastAPI(title="Rung", version=__version__)

    @app.get("/healthz")
    def health() -> dict[str, str]:
        """Tell that the control plane answers."""
        return {"status": "ok", "version": __version__}

    router = APIRouter(dependencies=[Depends(authorized)])
    _add_reads(router, platform)
    _add_reads_of_the_lake(router, platform)
    _add_deeds(router, platform)
    _add_experiments(router, platform)
    _add_shadows(router, platform)
    add_analysis(router, platform)

    @router.post("/shutdown", status_code=202)
    def shutdown() -> dict[str, str]:
        """Stop everything."""
        shut_down()
        return {"status": "stopping"}

    app.include_router(router)
    _answer_with_problems(app)
    return app


def _add_reads(router: APIRouter, platform: Platform) -> None:
    @router.get("/status")
    def status(service: _Service | None = None) -> dict[str, Any]:
        """Tell of every service and revision."""
        return platform.view.status(service)

    @router.get("/events")
    def events(
        after: Annotated[int, Query(ge=0)] = 0,
        service: _Service | None = None,
        limit: Annotated[int, Query(ge=1, le=_MAX_EVENTS)] = _MAX_EVENTS,
    ) -> list[dict[str, Any]]:
        """Give what happened after an event."""
        return [event_json(event) for event in platform.registry.events(after=after, service=service, limit=limit)]

    @router.get("/revisions/{name}")
    def revision(name: str) -> dict[str, Any]:
        """Tell of one revision."""
        return platform.revision(RevisionName.parse(name))

    @router.get("/revisions/{name}/log")
    def log(name: str, kind: str = "training", offset: Annotated[int, Query(ge=0)] = 0) -> dict[str, Any]:
        """Give a part of a revision's log: `training`, `environment` or `server`."""
        return platform.log(RevisionName.parse(name), kind, offset=offset)

    @router.get("/revisions/{name}/promotions")
    def promotions(name: str) -> list[dict[str, Any]]:
        """Give all attempts of a revision."""
        wanted = RevisionName.parse(name)
        platform.registry.revision(wanted)
        return [promotion_json(one) for one in platform.registry.promotions(wanted.service) if one.revision == wanted]

    @router.get("/revisions/{name}/why")
    def why(name: str) -> dict[str, Any]:
        """Give the chain of evidence of a revision."""
        return platform.view.why(RevisionName.parse(name))

    @router.get("/majors/{service}/{major}/why")
    def why_major(service: str, major: int) -> dict[str, Any]:
        """Give the chain of evidence of a major's incumbent."""
        return platform.view.why_major(service, major)

    @router.get("/services/{service}/history")
    def history(service: str, major: int | None = None) -> dict[str, Any]:
        """Tell what answered production when."""
        return platform.view.history(service, major)


def _add_reads_of_the_lake(router: APIRouter, platform: Platform) -> None:
    @router.get("/majors/{service}/{major}/metrics")
    def metrics(service: _Service, major: int) -> dict[str, Any]:
        """Tell the business metrics of every revision of a major."""
        return platform.metrics(service, major)

    @router.get("/predictions/{identity}")
    def prediction(identity: str) -> dict[str, Any]:
        """Trace one prediction to its revision, code and artifacts."""
        return platform.prediction(identity)


def _add_deeds(router: APIRouter, platform: Platform) -> None:
    @router.post("/revisions", status_code=201)
    def deploy_training(order: DeployTraining, actor: _Actor = "unknown") -> dict[str, Any]:
        """Begin the training of the next revision."""
        name = platform.deploy_training(order.service, allow_dirty=order.allow_dirty, actor=actor)
        return platform.revision(name)

    @router.post("/revisions/{name}/serving")
    def deploy_serving(name: str, actor: _Actor = "unknown") -> dict[str, Any]:
        """Serve a trained revision, without production traffic."""
        return platform.deploy_serving(RevisionName.parse(name), actor=actor)

    @router.post("/revisions/{name}/promotions", status_code=201)
    def promote(name: str, order: Promote | None = None, actor: _Actor = "unknown") -> dict[str, Any]:
        """Begin an attempt to promote."""
        ignore_plan = order is not None and order.ignore_plan
        return {"promotion": platform.promote(RevisionName.parse(name), actor=actor, ignore_plan=ignore_plan)}

    @router.post("/revisions/{name}/teardown")
    def tear_down(name: str, reason: Reason, actor: _Actor = "unknown") -> dict[str, Any]:
        """Stop a revision that is not the incumbent."""
        return platform.tear_down(RevisionName.parse(name), because=reason.because, actor=actor)

    @router.post("/revisions/{name}/revive")
    def revive(name: str, actor: _Actor = "unknown") -> dict[str, Any]:
        """Serve a torn-down revision again, without production traffic."""
        return platform.revive(RevisionName.parse(name), actor=actor)

    @router.post("/majors/{service}/{major}/rollback")
    def rollback(service: str, major: int, reason: Reason, actor: _Actor = "unknown") -> dict[str, Any]:
        """Bring the last incumbent back."""
        return platform.rollback(service, major, because=reason.because, actor=actor)


def _add_experiments(router: APIRouter, platform: Platform) -> None:
    @router.get("/majors/{service}/{major}/experiment")
    def experiment(service: _Service, major: int) -> dict[str, Any]:
        """Tell of the newest A/B test of a major."""
        return platform.experiment(service, major)

    @router.get("/majors/{service}/{major}/experiment/course")
    def course(service: _Service, major: int) -> list[dict[str, Any]]:
        """Give the looks at the newest A/B test that were kept: its course."""
        return platform.registry.looks(platform.promotions.experiments.newest(service, major).id)

    @router.get("/majors/{service}/{major}/experiment/audit")
    def audit(service: _Service, major: int) -> dict[str, Any]:
        """Check the assignments of the newest A/B test against the gateway's arithmetic."""
        return asdict(platform.promotions.experiments.audit(service, major))

    @router.post("/majors/{service}/{major}/experiment/pause")
    def pause(service: _Service, major: int, reason: Reason, actor: _Actor = "unknown") -> dict[str, Any]:
        """Send all units to the incumbent until the test is resumed."""
        return platform.pause(service, major, because=reason.because, actor=actor)

    @router.post("/majors/{service}/{major}/experiment/resume")
    def resume(service: _Service, major: int, actor: _Actor = "unknown") -> dict[str, Any]:
        """Give the challenger its share again."""
        return platform.resume(service, major, actor=actor)

    @router.post("/majors/{service}/{major}/experiment/abort")
    def abort(service: _Service, major: int, reason: Reason, actor: _Actor = "unknown") -> dict[str, Any]:
        """End the test in favour of the incumbent."""
        return platform.abort(service, major, because=reason.because, actor=actor)


def _add_shadows(router: APIRouter, platform: Platform) -> None:
    @router.get("/revisions/{name}/shadow")
    def shadow(name: str) -> dict[str, Any]:
        """Compare what a shadow answered with what production answered."""
        return platform.promotions.shadows.report(RevisionName.parse(name))

    @router.post("/revisions/{name}/shadow")
    def mirror(name: str, mirrored: Mirror, actor: _Actor = "unknown") -> dict[str, Any]:
        """Mirror a share of production to a candidate, or end it."""
        until = None if mirrored.for_s is None else datetime.now(UTC) + timedelta(seconds=mirrored.for_s)
        return platform.begin_shadow(RevisionName.parse(name), mirrored.share, until=until, actor=actor)


def _answer_with_problems(app: FastAPI) -> None:
    async def known(_: Request, error: Exception) -> Response:
        assert isinstance(error, RungError)  # noqa: S101  registered for this class
        status = next(code for kind, code in _STATUS if isinstance(error, kind))
        return ProblemError(status=status, detail=error.message).response(code=error.code, hint=error.hint)

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  registered for this class
        return ProblemError(status=error.status_code, detail=str(error.detail)).response()

    async def malformed(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class
        errors = [{"pointer": pointer(found["loc"]), "detail": found["msg"]} for found in error.errors()]
        return ProblemError(status=422, detail="the request is not right", errors=errors).response()

    app.add_exception_handler(RungError, known)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, malformed)
