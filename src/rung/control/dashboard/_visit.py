"""One request of somebody who is known: what each page and each deed begins with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rung.access import Action, allowed
from rung.control.api.door import check
from rung.errors import NotFoundError
from rung.schema import RevisionName, check_service_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from rung.access import Actor
    from rung.control._platform import Platform
    from rung.control.api.sessions import Session
    from rung.control.dashboard._stored import Stored
    from rung.registry import Registry

__all__ = ["Page", "Visit"]

_LONGEST = 200  # characters of a parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page shows."""

    template: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    trail: tuple[tuple[str, str], ...] = ()
    """What is above it: names and paths."""
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request, and who makes it."""

    platform: Platform
    stored: Stored
    actor: Actor
    session: Session
    request: Request

    @property
    def registry(self) -> Registry:
        """What pages read."""
        return self.platform.registry

    def may(self, action: Action, service: str) -> bool:
        """Tell whether they may do something to a service."""
        return allowed(self.actor.grants, action, service)

    def sees(self, service: str) -> bool:
        """Tell whether a service is shown to them."""
        return self.may(Action.READ, service)

    def seen_services(self) -> frozenset[str] | None:
        """Name the services that are shown to them; None: all."""
        if self.sees("*"):
            return None
        return frozenset(grant.service for grant in self.actor.grants)

    def asked(self, name: str, default: str = "") -> str:
        """Give a parameter of the query, or of the path."""
        given = self.request.path_params.get(name) or self.request.query_params.get(name) or default
        return str(given)[:_LONGEST]

    def service(self) -> str:
        """Give the service that is asked about, if they may see it.

        Raises:
            NotFoundError: There is none of that name.
            NotAllowedError: They may not see it.
        """
        name = check_service_name(self.asked("service"))
        check(self.actor, Action.READ, name)
        return name

    def major(self) -> tuple[str, int]:
        """Give the service and the major that are asked about.

        Raises:
            NotFoundError: There is no such major.
            NotAllowedError: They may not see it.
        """
        service, number = self.service(), self.asked("major")
        if not (number.isascii() and number.isdigit() and len(number) < 6):  # noqa: PLR2004  as names have it
            raise NotFoundError(f"{service} has no major {number!r}", hint=f"see {service}")
        return service, int(number)

    def revision(self) -> RevisionName:
        """Name the revision that is asked about, if they may see it.

        Raises:
            NotFoundError: The registry has none of that name.
            NotAllowedError: They may not see it.
        """
        name = RevisionName.parse(self.asked("name"))
        check(self.actor, Action.READ, name.service)
        return name
