"""The routes of what is watched by itself: one page for Prometheus, and what revisions used and cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from rung.access import Action, allowed
from rung.control._reports import reports
from rung.control.api.door import Asker  # noqa: TC001  FastAPI reads it
from rung.control.api.parameters import ServiceName  # noqa: TC001  as above
from rung.errors import CallError

if TYPE_CHECKING:
    from rung.control._platform import Platform

_DAYS = 3_650


def add_watching(router: APIRouter, platform: Platform) -> None:
    """Add the routes of metrics and cost to the API."""

    @router.get("/metrics", response_class=Response)
    def metrics(service: ServiceName | None = None) -> Response:
        """Give the metrics of every revision and of the gateway in the Prometheus text format."""
        return Response(platform.telemetry.exposition(service), media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/services/{service}/monitor", response_class=Response)
    def monitor(
        service: ServiceName,
        name: Annotated[str | None, Query(max_length=120)] = None,
        since_s: Annotated[float, Query(gt=0, le=_DAYS * 86_400)] = 86_400.0,
    ) -> Response:
        """Report on production, route by route, as JSON: traffic, drift, quality, findings, and the statistics."""
        asked = name or service
        if asked.partition(".")[0] != service:
            raise CallError(f"{asked} is nothing of {service}", hint=f"name {service}, or {service}.v1")
        platform.lake.ship()
        found = reports(platform.place.workspace, asked, since_s=since_s)
        return Response(found, media_type="application/json")

    @router.get("/training/queue")
    def training_queue(actor: Asker) -> dict[str, Any]:
        """Tell which trainings have slots, and which wait for one: at which place and why."""

        def sees(one: dict[str, Any]) -> bool:
            return allowed(actor.grants, Action.READ, one["revision"].partition(".")[0])

        found = platform.deployments.trainings.slots.queue()
        return {**found, **{part: list(filter(sees, found[part])) for part in ("running", "waiting")}}

    @router.get("/cost")
    def cost(
        actor: Asker,
        service: ServiceName | None = None,
        days: Annotated[int, Query(ge=1, le=_DAYS)] = 30,
    ) -> dict[str, Any]:
        """Tell what each revision used in the last days, today included, and what that costs."""
        today = datetime.now(UTC).date()
        since = today - timedelta(days=days - 1)
        price, found = platform.cost(service, since=since, until=today)
        return {
            "since": since.isoformat(),
            "currency": None if price is None else price.currency,
            "revisions": [one for one in found if allowed(actor.grants, Action.READ, one["service"])],
        }
