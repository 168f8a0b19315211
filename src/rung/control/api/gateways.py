"""The API's routes about gateways elsewhere: they report here, and are told what they shall route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from rung.control.api.door import Asker  # noqa: TC001  FastAPI resolves it at run time
from rung.control.gateways import OWN, Report
from rung.errors import CallError

if TYPE_CHECKING:
    from fastapi import APIRouter

    from rung.control._platform import Platform

_Name: TypeAlias = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,59}$")]
_Line: TypeAlias = Annotated[str, Field(max_length=2_000)]
_MOST_REVISIONS = 20_000
_Counts: TypeAlias = Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(max_length=_MOST_REVISIONS)]


class Told(BaseModel):
    """What a gateway says of itself; an agent of a newer Rung may say more."""

    model_config = ConfigDict(extra="ignore")

    instance: Annotated[str, Field(min_length=1, max_length=64)]
    release: Annotated[str, Field(max_length=64)]
    url: Annotated[str, Field(max_length=300)]
    applied: Annotated[str, Field(max_length=64)] = ""
    problem: _Line = ""
    requests: _Counts = {}
    in_flight: _Counts = {}


class Removal(BaseModel):
    """Why a gateway shall be on the list no more."""

    model_config = ConfigDict(extra="forbid")

    because: _Line = ""


def add_gateways(router: APIRouter, platform: Platform) -> None:
    """Add the routes about gateways to the API."""

    @router.get("/gateways")
    def gateways() -> list[dict[str, Any]]:
        """Tell of every gateway how it is: its version, how far behind it is, the requests that it counts."""
        own, *others = platform.gateways.shown()
        return [{**own, "url": platform.view.gateway_url}, *others]

    @router.post("/gateways/{gateway}/report")
    def report(gateway: _Name, told: Told, actor: Asker) -> dict[str, Any]:
        """Take what a gateway says of itself; give what it shall route, unless it does so already."""
        if gateway == OWN:
            raise CallError(f"{OWN} is the control plane's own gateway", hint="give it another --name")
        version, routing = platform.gateways.report(gateway, Report(**told.model_dump()), actor=str(actor))
        return {"version": version, "routing": routing}

    @router.post("/gateways/{gateway}/leave")
    def leave(gateway: _Name, actor: Asker) -> dict[str, str]:
        """Take a gateway off the list that was told to stop."""
        platform.gateways.forget(gateway, because=f"the gateway {gateway} was stopped", actor=str(actor))
        return {"name": gateway}

    @router.post("/gateways/{gateway}/removal")
    def remove(gateway: _Name, order: Removal, actor: Asker) -> dict[str, str]:
        """Take a gateway off the list that will not come back."""
        because = order.because or f"the gateway {gateway} was forgotten by {actor}"
        platform.gateways.forget(gateway, because=because, actor=str(actor))
        return {"name": gateway}
