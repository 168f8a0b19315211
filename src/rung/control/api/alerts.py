"""The API's routes about alerts: what is open, what people say of it, and whether channels work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from rung.access import Action, allowed
from rung.control.api.door import Asker, check

if TYPE_CHECKING:
    from rung.control._platform import Platform

_Because = Annotated[str, Field(min_length=1, max_length=2_000)]
_Identity = Annotated[int, Path(ge=1, lt=2**53)]
_Scope = Annotated[str | None, Query(pattern=r"^([a-z][a-z0-9_]{0,62}|\*)$")]
_DELIVERIES = 50


class Word(BaseModel):
    """What somebody says of an alert."""

    model_config = ConfigDict(extra="forbid")

    because: _Because


class Silence(Word):
    """How long nothing is told of an alert."""

    for_s: Annotated[float, Field(gt=0, le=366 * 86_400)] = 7 * 86_400.0
    """Seconds."""


class Trial(BaseModel):
    """Which channels are tested."""

    model_config = ConfigDict(extra="forbid")

    channels: Annotated[list[str], Field(max_length=100)] = Field(default_factory=list)
    """None: all."""


def add_alerts(router: APIRouter, platform: Platform) -> None:
    """Add the routes about alerts to the API."""
    desk = platform.alerts

    @router.get("/alerts")
    def alerts(actor: Asker, service: _Scope = None, *, closed: bool = False) -> list[dict[str, Any]]:
        """Give alerts, the newest first, as far as who asks may see them."""
        found = platform.registry.alerts(service, open_only=not closed)
        return [one.to_json() for one in found if _may_see(actor, one.service)]

    @router.post("/alerts/{identity}/acknowledgement")
    def acknowledge(identity: _Identity, word: Word, actor: Asker) -> dict[str, Any]:
        """Keep that somebody sees to it."""
        check(actor, Action.DEPLOY, platform.registry.alert(identity).service)
        return desk.say(identity, "acknowledged", because=word.because, actor=str(actor)).to_json()

    @router.post("/alerts/{identity}/silence")
    def silence(identity: _Identity, word: Silence, actor: Asker) -> dict[str, Any]:
        """Tell nothing of it for some time, nor of what opens again in its place."""
        check(actor, Action.DEPLOY, platform.registry.alert(identity).service)
        until = datetime.now(UTC) + timedelta(seconds=word.for_s)
        return desk.say(identity, "silenced", because=word.because, actor=str(actor), until=until).to_json()

    @router.post("/alerts/{identity}/closing")
    def close(identity: _Identity, word: Word, actor: Asker) -> dict[str, Any]:
        """Close it; while it goes on it opens again only when it gets worse."""
        check(actor, Action.DEPLOY, platform.registry.alert(identity).service)
        return desk.say(identity, "closed", because=word.because, actor=str(actor)).to_json()

    @router.get("/alerts/channels")
    def channels() -> dict[str, Any]:
        """Tell of each channel whether it works; never its URL."""
        newest = platform.registry.deliveries(limit=_DELIVERIES)
        return {"channels": desk.channels(), "deliveries": [one.to_json() for one in newest]}

    @router.post("/alerts/test", status_code=202)
    def test(trial: Trial, actor: Asker) -> dict[str, Any]:
        """Send a notification that says that nothing is wrong."""
        return {"deliveries": desk.test(trial.channels, actor=str(actor))}


def _may_see(actor: Any, service: str) -> bool:
    """Of the platform itself, whoever may see anything may see that it is not well."""
    return service == "*" or allowed(actor.grants, Action.READ, service)
