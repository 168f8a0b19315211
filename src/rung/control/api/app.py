"""The REST API of the control plane: each use case one route. Who may do what is in `_door`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from rung import __version__
from rung.access import EVERYWHERE, Action, allowed
from rung.control._view import event_json, experiment_json, promotion_json
from rung.control.api.alerts import add_alerts
from rung.control.api.analysis import add_analysis
from rung.control.api.consumers import add_consumers
from rung.control.api.contracts import add_contracts
from rung.control.api.door import Asker, Door, asker, check, check_table
from rung.control.api.gateways import add_gateways
from rung.control.api.lineage import add_lineage
from rung.control.api.notebooks import add_notebooks
from rung.control.api.parameters import Major, Position, ServiceName
from rung.control.api.patience import BodyLimit
from rung.control.api.people import add_people, add_tickets
from rung.control.api.practice import add_practice
from rung.control.api.watching import add_watching
from rung.errors import CallError, ConflictError, NotAllowedError, NotFoundError, RungError, UnavailableError
from rung.schema import RevisionName
from rung.serving._openapi import PROBLEM
from rung.serving._problems import ProblemError, places

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from rung.control._platform import Platform
    from rung.control.api.door import Guard

_STATUS: tuple[tuple[type[RungError], int], ...] = (
    (NotAllowedError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (CallError, 422),
    (UnavailableError, 503),
    (RungError, 500),
)

_MAX_EVENTS = 1_000
_MAX_RUNS = 10_000
_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"description": told, "content": {"application/problem+json": {"schema": PROBLEM}}}
    for status, told in ((422, "The request is not right"), ("4XX", "It is refused"), ("5XX", "It could not be done"))
}
"""What every route may answer beside its own."""


class DeployTraining(BaseModel):
    """Begin the next revision of a service."""

    model_config = ConfigDict(extra="forbid")

    service: ServiceName
    allow_dirty: bool = False
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")] | None = None
    """Whose source; by default what the platform's working tree has."""


class Retrain(BaseModel):
    """Begin the next revision from the code of the incumbent."""

    model_config = ConfigDict(extra="forbid")

    because: Annotated[str, Field(max_length=2_000)] = ""
    anyway: bool = False
    """Also when the training would read the same data as the last one."""


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


def create_api(platform: Platform, *, guard: Guard, shut_down: Callable[[], None]) -> FastAPI:
    """Make the application; whoever the guard does not know is told no more than that it lives."""
    app = FastAPI(
        responses=_REFUSED, title="Rung", version=__version__, redoc_url=None, swagger_ui_oauth2_redirect_url=None
    )

    @app.get("/healthz")
    def health() -> dict[str, Any]:
        """Tell that the control plane answers, and whether the gateway does."""
        return {"status": "ok", "version": __version__, "gateway": platform.loop.gateway.ready()}

    @app.get("/login")
    def login() -> dict[str, str]:
        """Tell where to log in."""
        if guard.logins is None:
            raise NotFoundError("nobody can log in here", hint="an admin makes tokens: `rung token create`")
        return {"issuer": guard.logins.login.issuer, "client": guard.logins.login.audience}

    router = APIRouter(dependencies=[Depends(asker)])
    _add_reads(router, platform)
    _add_runs(router, platform)
    _add_reads_of_the_lake(router, platform)
    _add_deeds(router, platform)
    _add_experiments(router, platform)
    _add_shadows(router, platform)
    add_analysis(router, platform)
    add_people(router, platform)
    add_tickets(router, guard.sessions)
    add_consumers(router, platform)
    add_gateways(router, platform)
    add_contracts(router, platform)
    add_lineage(router, platform)
    add_notebooks(router, platform)
    add_practice(router, platform)
    add_watching(router, platform)
    add_alerts(router, platform)

    @router.post("/shutdown", status_code=202)
    def shutdown(actor: Asker) -> dict[str, str]:
        """Stop everything."""
        with suppress(RungError):  # a registry that is away must not keep it from stopping
            platform.registry.record_event("shutdown", EVERYWHERE, because="the platform was stopped", actor=str(actor))
        shut_down()
        return {"status": "stopping"}

    check_table(router.routes)
    app.include_router(router)
    app.add_middleware(BodyLimit)
    app.add_middleware(Door, guard=guard)
    _answer_with_problems(app)
    return app


def _add_reads(router: APIRouter, platform: Platform) -> None:
    @router.get("/status")
    def status(actor: Asker, service: ServiceName | None = None) -> dict[str, Any]:
        """Tell of every service and revision, as far as who asks may see them."""
        shown = platform.view.status(service)
        seen = [one for one in shown["services"] if allowed(actor.grants, Action.READ, one["name"])]
        return {**shown, "services": seen, "gateways": platform.gateways.shown()}

    @router.get("/events")
    def events(
        after: Position = 0,
        service: ServiceName | None = None,
        limit: Annotated[int, Query(ge=1, le=_MAX_EVENTS)] = _MAX_EVENTS,
    ) -> list[dict[str, Any]]:
        """Give what happened after an event."""
        return [event_json(event) for event in platform.registry.events(after=after, service=service, limit=limit)]

    @router.get("/revisions/{name}")
    def revision(name: str) -> dict[str, Any]:
        """Tell of one revision."""
        return platform.revision(RevisionName.parse(name))

    @router.get("/revisions/{name}/log")
    def log(name: str, kind: str = "training", offset: Position = 0) -> dict[str, Any]:
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
    def why_major(service: ServiceName, major: Major) -> dict[str, Any]:
        """Give the chain of evidence of a major's incumbent."""
        return platform.view.why_major(service, major)

    @router.get("/services/{service}/history")
    def history(service: ServiceName, major: Major | None = None) -> dict[str, Any]:
        """Tell what answered production when."""
        return platform.view.history(service, major)


def _add_runs(router: APIRouter, platform: Platform) -> None:
    @router.get("/runs")
    def runs(
        service: ServiceName | None = None,
        kind: Annotated[str, Query(max_length=40)] | None = None,
        limit: Annotated[int, Query(ge=1, le=_MAX_RUNS)] = 100,
    ) -> list[dict[str, Any]]:
        """Give the records of runs, the newest first; of all services to whom may see all."""
        return platform.registry.runs(service, kind=kind, limit=limit)

    @router.get("/runs/{identity}")
    def run(identity: str, actor: Asker) -> dict[str, Any]:
        """Give the record of one run."""
        record = platform.registry.run(identity)
        check(actor, Action.READ, record["service"])
        return record


def _add_reads_of_the_lake(router: APIRouter, platform: Platform) -> None:
    @router.get("/majors/{service}/{major}/metrics")
    def metrics(service: ServiceName, major: Major) -> dict[str, Any]:
        """Tell the business metrics of every revision of a major."""
        return platform.metrics(service, major)

    @router.get("/predictions/{identity}")
    def prediction(identity: str, actor: Asker) -> dict[str, Any]:
        """Trace one prediction to its revision, code and artifacts."""
        traced = platform.prediction(identity)
        check(actor, Action.READ, RevisionName.parse(traced["revision"]).service)
        return traced


def _add_deeds(router: APIRouter, platform: Platform) -> None:
    @router.post("/revisions", status_code=201)
    def deploy_training(order: DeployTraining, actor: Asker) -> dict[str, Any]:
        """Begin the training of the next revision."""
        check(actor, Action.DEPLOY, order.service)
        name = platform.deploy_training(
            order.service, allow_dirty=order.allow_dirty, actor=str(actor), commit=order.commit
        )
        return platform.revision(name)

    @router.post("/majors/{service}/{major}/retraining", status_code=201)
    def retrain(service: ServiceName, major: Major, order: Retrain, actor: Asker) -> dict[str, Any]:
        """Begin the next revision from the code of the incumbent, on the data of now."""
        asked = platform.retrain(service, major, because=order.because, anyway=order.anyway, actor=str(actor))
        return platform.revision(asked)

    @router.post("/revisions/{name}/serving")
    def deploy_serving(name: str, actor: Asker) -> dict[str, Any]:
        """Serve a trained revision, without production traffic."""
        return platform.deploy_serving(RevisionName.parse(name), actor=str(actor))

    @router.post("/revisions/{name}/promotions", status_code=201)
    def promote(name: str, actor: Asker, order: Promote | None = None) -> dict[str, Any]:
        """Begin an attempt to promote."""
        ignore_plan = order is not None and order.ignore_plan
        return {"promotion": platform.promote(RevisionName.parse(name), actor=str(actor), ignore_plan=ignore_plan)}

    @router.post("/revisions/{name}/teardown")
    def tear_down(name: str, reason: Reason, actor: Asker) -> dict[str, Any]:
        """Stop a revision that is not the incumbent."""
        return platform.tear_down(RevisionName.parse(name), because=reason.because, actor=str(actor))

    @router.post("/revisions/{name}/revive")
    def revive(name: str, actor: Asker) -> dict[str, Any]:
        """Serve a torn-down revision again, without production traffic."""
        return platform.revive(RevisionName.parse(name), actor=str(actor))

    @router.post("/majors/{service}/{major}/rollback")
    def rollback(service: ServiceName, major: Major, reason: Reason, actor: Asker) -> dict[str, Any]:
        """Bring the last incumbent back."""
        return platform.rollback(service, major, because=reason.because, actor=str(actor))


def _add_experiments(router: APIRouter, platform: Platform) -> None:
    @router.get("/services/{service}/experiments")
    def experiments(service: ServiceName) -> list[dict[str, Any]]:
        """Tell of every A/B test and bandit of a service, in their order."""
        found = platform.registry.experiments_of(one.name for one in platform.registry.revisions(service))
        return [experiment_json(one) for one in sorted(found, key=lambda one: one.promotion)]

    @router.get("/majors/{service}/{major}/experiment")
    def experiment(service: ServiceName, major: Major) -> dict[str, Any]:
        """Tell of the newest A/B test of a major."""
        return platform.experiment(service, major)

    @router.get("/majors/{service}/{major}/experiment/course")
    def course(service: ServiceName, major: Major) -> list[dict[str, Any]]:
        """Give the looks at the newest A/B test that were kept: its course."""
        return platform.registry.looks(platform.promotions.experiments.newest(service, major).id)

    @router.get("/majors/{service}/{major}/experiment/audit")
    def audit(service: ServiceName, major: Major) -> dict[str, Any]:
        """Check the assignments of the newest A/B test against the gateway's arithmetic."""
        return asdict(platform.promotions.experiments.audit(service, major))

    @router.post("/majors/{service}/{major}/experiment/pause")
    def pause(service: ServiceName, major: Major, reason: Reason, actor: Asker) -> dict[str, Any]:
        """Send all units to the incumbent until the test is resumed."""
        return platform.pause(service, major, because=reason.because, actor=str(actor))

    @router.post("/majors/{service}/{major}/experiment/resume")
    def resume(service: ServiceName, major: Major, actor: Asker) -> dict[str, Any]:
        """Give the challenger its share again."""
        return platform.resume(service, major, actor=str(actor))

    @router.post("/majors/{service}/{major}/experiment/abort")
    def abort(service: ServiceName, major: Major, reason: Reason, actor: Asker) -> dict[str, Any]:
        """End the test in favour of the incumbent."""
        return platform.abort(service, major, because=reason.because, actor=str(actor))


def _add_shadows(router: APIRouter, platform: Platform) -> None:
    @router.get("/revisions/{name}/shadow")
    def shadow(name: str) -> dict[str, Any]:
        """Compare what a shadow answered with what production answered."""
        return platform.promotions.shadows.report(RevisionName.parse(name))

    @router.post("/revisions/{name}/shadow")
    def mirror(name: str, mirrored: Mirror, actor: Asker) -> dict[str, Any]:
        """Mirror a share of production to a candidate, or end it."""
        until = None if mirrored.for_s is None else datetime.now(UTC) + timedelta(seconds=mirrored.for_s)
        return platform.begin_shadow(RevisionName.parse(name), mirrored.share, until=until, actor=str(actor))


def status_of(error: RungError) -> int:
    """Give the HTTP status that stands for an error."""
    return next(code for kind, code in _STATUS if isinstance(error, kind))


def _answer_with_problems(app: FastAPI) -> None:
    async def known(_: Request, error: Exception) -> Response:
        assert isinstance(error, RungError)  # noqa: S101  registered for this class
        return ProblemError(status=status_of(error), detail=error.message).response(code=error.code, hint=error.hint)

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  registered for this class
        return ProblemError(status=error.status_code, detail=str(error.detail)).response()

    async def malformed(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class
        errors = places(error.errors())
        return ProblemError(status=422, detail="the request is not right", errors=errors).response()

    async def broken(_: Request, error: Exception) -> Response:
        assert isinstance(error, OSError)  # noqa: S101  registered for this class
        told = f"the control plane cannot write {error.filename or 'a file'} ({error.strerror or error})"
        return ProblemError(status=503, detail=told).response(code=UnavailableError.code, hint="see to its disk")

    app.add_exception_handler(RungError, known)
    app.add_exception_handler(OSError, broken)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, malformed)
