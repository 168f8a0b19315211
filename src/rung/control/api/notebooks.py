"""The API's routes about notebooks that run by a schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from rung.access import Action, allowed
from rung.control.api.door import Asker  # noqa: TC001  FastAPI reads it
from rung.control.api.parameters import ServiceName  # noqa: TC001  as above
from rung.control.notebooks import Scheduled

if TYPE_CHECKING:
    from fastapi import APIRouter

    from rung.control._platform import Platform

_Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
_LONGEST_S = 7 * 86_400


class ScheduleOrder(BaseModel):
    """When a notebook is to run, and with what."""

    model_config = ConfigDict(extra="forbid")

    cron: Annotated[str, Field(max_length=200)]
    zone: Annotated[str, Field(max_length=80)] = "UTC"
    parameters: Annotated[dict[str, Any], Field(max_length=100)] = {}
    time_limit_s: Annotated[float, Field(gt=0, le=_LONGEST_S)] = 3_600.0
    because: Annotated[str, Field(max_length=2_000)] = ""


class Removal(BaseModel):
    """Why a notebook shall run by no schedule any more."""

    model_config = ConfigDict(extra="forbid")

    because: Annotated[str, Field(max_length=2_000)] = ""


def add_notebooks(router: APIRouter, platform: Platform) -> None:
    """Add the routes of scheduled notebooks to the API."""

    @router.get("/notebooks/schedules")
    def schedules(actor: Asker, service: ServiceName | None = None) -> list[dict[str, Any]]:
        """Tell which notebooks run by a schedule, and when they run next."""
        found = platform.notebooks.scheduled(service)
        return [
            _shown(platform, reference, one)
            for reference, one in found.items()
            if allowed(actor.grants, Action.READ, reference.partition("/")[0])
        ]

    @router.post("/services/{service}/notebooks/{notebook}/schedule")
    def declare(service: ServiceName, notebook: _Name, order: ScheduleOrder, actor: Asker) -> dict[str, Any]:
        """Run a notebook by a schedule from now on."""
        wanted = Scheduled(
            cron=order.cron,
            zone=order.zone,
            parameters=order.parameters,
            time_limit_s=order.time_limit_s,
            actor=str(actor),
            since=datetime.now(UTC),
        )
        reference = f"{service}/{notebook}"
        return _shown(platform, reference, platform.notebooks.declare(reference, wanted, because=order.because))

    @router.post("/services/{service}/notebooks/{notebook}/schedule/removal")
    def remove(service: ServiceName, notebook: _Name, order: Removal, actor: Asker) -> dict[str, Any]:
        """Run a notebook by no schedule any more."""
        platform.notebooks.remove(f"{service}/{notebook}", because=order.because, actor=str(actor))
        return {"notebook": f"{service}/{notebook}"}


def _shown(platform: Platform, reference: str, scheduled: Scheduled) -> dict[str, Any]:
    status = platform.notebooks.status(scheduled)
    return {"notebook": reference, **scheduled.to_json(), "next": scheduled.next.isoformat(), "status": status}
