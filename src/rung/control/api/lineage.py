"""The route of `rung lineage`: what something was made of, and what was made of it, as far as who asks may see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query

from rung.access import Action, allowed
from rung.control.api.door import Asker  # noqa: TC001  FastAPI reads it
from rung.data import open_catalogue
from rung.lineage import Records, lineage_of

if TYPE_CHECKING:
    from rung.control._platform import Platform


def add_lineage(router: APIRouter, platform: Platform) -> None:
    """Add the route of lineage to the API."""

    @router.get("/lineage")
    def lineage(
        actor: Asker, of: Annotated[str, Query(min_length=1, max_length=2_000)], *, up: bool = True, down: bool = True
    ) -> dict[str, Any]:
        """Give what something was made of, and what was made of it, without services that one may not see."""
        platform.lake.ship()
        records = Records(
            registry=platform.registry, catalogue=open_catalogue(platform.place.workspace), lake=platform.lake
        )
        found = lineage_of(
            of, records, up=up, down=down, may_see=lambda service: allowed(actor.grants, Action.READ, service)
        )
        return found.to_json()
