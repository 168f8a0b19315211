"""The routes of what is watched by itself: one page for Prometheus, and what revisions used and cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from rung.access import Action, allowed
from rung.control.api.door import Asker  # noqa: TC001  FastAPI reads it
from rung.control.api.parameters import ServiceName  # noqa: TC001  as above

if TYPE_CHECKING:
    from rung.control._platform import Platform

_DAYS = 3_650


def add_watching(router: APIRouter, platform: Platform) -> None:
    """Add the routes of metrics and cost to the API."""

    @router.get("/metrics", response_class=Response)
    def metrics(service: ServiceName | None = None) -> Response:
        """Give the metrics of every revision and of the gateway in the Prometheus text format."""
        return Response(platform.telemetry.exposition(service), media_type="text/plain; version=0.0.4; charset=utf-8")

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
