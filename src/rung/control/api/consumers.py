"""The API's routes about consumers' keys; the gateway learns of a change at once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from rung.control.api.door import Asker  # noqa: TC001  FastAPI resolves it at run time
from rung.errors import UnavailableError

if TYPE_CHECKING:
    from fastapi import APIRouter

    from rung.control._platform import Platform

_Because = Annotated[str, Field(max_length=2_000)]


class NewConsumer(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    """Of the consumer, as logs will tell it."""
    service: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")] | None = None
    """The only service that it opens; by default all."""
    because: _Because = ""


class KeysRevoked(BaseModel):
    """Why keys shall open nothing any more."""

    model_config = ConfigDict(extra="forbid")

    because: _Because = ""


def add_consumers(router: APIRouter, platform: Platform) -> None:
    """Add the routes about consumers' keys to the API."""

    @router.get("/consumers")
    def consumers() -> list[dict[str, Any]]:
        """Give all keys that were made; nobody can tell them again."""
        return [key.to_json() for key in platform.registry.consumer_keys()]

    @router.post("/consumers", status_code=201)
    def create(order: NewConsumer, actor: Asker) -> dict[str, Any]:
        """Make a key; it is in this answer and nowhere else, and the gateway knows it."""
        because = order.because or f"a key of {order.name} for {order.service or 'all services'}"
        kept, key = platform.registry.create_key(order.name, order.service, actor=str(actor), because=because)
        platform.loop.wake()
        with suppress(UnavailableError):  # the key is in this answer alone; a gateway that is away learns of it later
            platform.loop.route()
        return {**kept.to_json(), "key": key}

    @router.post("/consumers/{wanted}/revocation")
    def revoke(wanted: str, order: KeysRevoked, actor: Asker) -> list[dict[str, Any]]:
        """Make a key, or all keys of a consumer, open nothing any more; the gateway refuses them from now on."""
        because = order.because or f"revoked by {actor}"
        revoked = platform.registry.revoke_keys(wanted, actor=str(actor), because=because)
        platform.loop.route()
        return [key.to_json() for key in revoked]
