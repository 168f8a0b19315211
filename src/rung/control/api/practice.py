"""The API's routes of the practice: guided path, specification and signatures, business metrics, requests for data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from rung.access import Action, allowed
from rung.control.api.door import Asker, check
from rung.control.api.parameters import Major, ServiceName  # noqa: TC001  FastAPI reads them
from rung.control.practice import deeds
from rung.practice import Owner

if TYPE_CHECKING:
    from fastapi import APIRouter

    from rung.control._platform import Platform

_Reason = Annotated[str, Field(max_length=2_000)]
_Because = Annotated[str, Field(min_length=1, max_length=2_000)]
_MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
_Digest = Annotated[str, Field(pattern=r"^(sha256:)?[0-9a-f]{4,64}$")]


class SignatureOrder(BaseModel):
    """A signature: of a text, or of a version that is kept."""

    model_config = ConfigDict(extra="forbid")

    owner: Owner
    text: Annotated[str, Field(max_length=300_000)] | None = None
    digest: _Digest | None = None
    because: _Reason = ""


class ReviewOrder(BaseModel):
    """Why somebody finds the business metrics right."""

    model_config = ConfigDict(extra="forbid")

    because: _Because


class DataOrder(BaseModel):
    """Who is asked for the data of a metric, and why."""

    model_config = ConfigDict(extra="forbid")

    metric: _MetricName
    to: Annotated[str, Field(min_length=1, max_length=300)]
    because: _Because


class DataGiven(BaseModel):
    """That the data of a metric are there, or will come."""

    model_config = ConfigDict(extra="forbid")

    metric: _MetricName
    because: _Because


def add_practice(router: APIRouter, platform: Platform) -> None:
    """Add the routes of the practice to the API."""
    _add_specifications(router, platform)
    _add_metrics(router, platform)


def _add_specifications(router: APIRouter, platform: Platform) -> None:
    @router.get("/services/{service}/path")
    def path(service: ServiceName) -> dict[str, Any]:
        """Tell on which step a service is, what comes next, and the command."""
        return platform.promotions.practice.path(service).to_json()

    @router.get("/services/{service}/specification")
    def specification(service: ServiceName) -> dict[str, Any]:
        """Tell of a service's specification: text, signatures, versions, and what the seven questions answer."""
        return platform.promotions.practice.specification(service)

    @router.get("/services/{service}/specification/{digest}")
    def version(service: ServiceName, digest: _Digest) -> dict[str, Any]:
        """Give a version of a specification that is kept."""
        found = platform.promotions.practice.specifications.version(service, digest)
        return {
            "digest": found.digest,
            "time": found.time.isoformat(),
            "actor": found.actor,
            "because": found.because,
            "text": found.text,
        }

    @router.post("/services/{service}/specification/signatures", status_code=201)
    def sign(service: ServiceName, order: SignatureOrder, actor: Asker) -> dict[str, Any]:
        """Sign a specification, as the owner of the product or of the engineering."""
        if order.owner is Owner.PRODUCT:
            check(actor, Action.APPROVE, service)
        return deeds.sign(
            platform.promotions.practice,
            service,
            order.owner,
            text=order.text,
            digest=order.digest,
            actor=str(actor),
            because=order.because,
        )


def _add_metrics(router: APIRouter, platform: Platform) -> None:
    @router.get("/majors/{service}/{major}/metrics/declared")
    def declared(service: ServiceName, major: Major) -> dict[str, Any]:
        """Tell which business metrics a major declares, who reviewed them, and which data they wait for."""
        return deeds.declared(platform.promotions.practice, service, major)

    @router.post("/majors/{service}/{major}/metrics/review", status_code=201)
    def review(service: ServiceName, major: Major, order: ReviewOrder, actor: Asker) -> dict[str, Any]:
        """Say that the business metrics of a major are right."""
        return deeds.review(platform.promotions.practice, service, major, actor=str(actor), because=order.because)

    @router.get("/data-requests")
    def requests(actor: Asker, service: ServiceName | None = None) -> list[dict[str, Any]]:
        """Give all requests for data of business metrics, as far as who asks may see them."""
        found = platform.promotions.practice.requests.all(service)
        seen = [one for one in found if allowed(actor.grants, Action.READ, one.major.partition(".")[0])]
        return [one.to_json() for one in seen]

    @router.post("/majors/{service}/{major}/metrics/requests", status_code=201)
    def ask(service: ServiceName, major: Major, order: DataOrder, actor: Asker) -> dict[str, Any]:
        """Ask somebody for the data of a business metric."""
        practice = platform.promotions.practice
        asked = deeds.ask(practice, service, major, order.metric, to=order.to, actor=str(actor), because=order.because)
        return asked.to_json()

    @router.post("/majors/{service}/{major}/metrics/fulfilments", status_code=201)
    def fulfil(service: ServiceName, major: Major, order: DataGiven, actor: Asker) -> dict[str, Any]:
        """Say that the data of a business metric are there, or will come."""
        practice = platform.promotions.practice
        given = deeds.fulfil(practice, service, major, order.metric, actor=str(actor), because=order.because)
        platform.promotions.holds.hurry()
        platform.loop.wake()
        return given.to_json()
