"""The API's routes about people: who asks, tokens, approvals, and the audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field

from rung.access import EVERYWHERE, Grant, Role, new_token
from rung.control._view import event_json
from rung.control.api.door import DASHBOARD, Asker
from rung.control.api.sessions import TICKET_S, Credentials
from rung.schema import RevisionName

if TYPE_CHECKING:
    from fastapi import APIRouter

    from rung.access import Token
    from rung.control._platform import Platform
    from rung.control.api.sessions import Sessions

_Because = Annotated[str, Field(min_length=1, max_length=2_000)]
_Where = Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,62}|\*)$")]
_MOST_EVENTS = 1_000
_LONGEST_S = 10 * 365 * 86_400


class Opinion(BaseModel):
    """Why somebody approves or rejects."""

    model_config = ConfigDict(extra="forbid")

    because: _Because


class NewTokenOrder(BaseModel):
    """A token to be made."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,79}$")]
    """Of the person or program that will have it."""
    role: Role
    services: Annotated[list[_Where], Field(min_length=1, max_length=100)] = [EVERYWHERE]
    """In which it has the role; "*" for all, and for the platform itself."""
    expires_s: Annotated[float, Field(gt=0, le=_LONGEST_S)]
    """From now on."""
    because: Annotated[str, Field(max_length=2_000)] = ""


class Revocation(BaseModel):
    """Why a token shall open nothing any more."""

    model_config = ConfigDict(extra="forbid")

    because: Annotated[str, Field(max_length=2_000)] = ""


def add_people(router: APIRouter, platform: Platform) -> None:
    """Add the routes about people to the API."""
    _add_looks(router, platform)
    _add_tokens(router, platform)
    _add_opinions(router, platform)


def add_tickets(router: APIRouter, sessions: Sessions) -> None:
    """Add the route by which commands open the dashboard to the API."""

    @router.post("/tickets", status_code=201)
    def ticket(request: Request, actor: Asker) -> dict[str, Any]:
        """Make a ticket to the dashboard for who asks: an address that opens it once, soon."""
        del actor  # the guard will ask again, for each page
        given = Credentials(authorization=request.headers["authorization"], user=request.headers.get("x-rung-user", ""))
        return {"path": f"{DASHBOARD}/enter?ticket={sessions.ticket(given)}", "expires_s": TICKET_S}


def _add_looks(router: APIRouter, platform: Platform) -> None:
    @router.get("/me")
    def me(actor: Asker) -> dict[str, Any]:
        """Tell who asks, and what they are."""
        return {"actor": str(actor), "grants": _grants(actor.grants)}

    @router.get("/audit")
    def audit(
        service: _Where | None = None,
        actor: Annotated[str | None, Query(max_length=200)] = None,
        since: datetime | None = None,
        limit: Annotated[int, Query(ge=1, le=_MOST_EVENTS)] = 100,
    ) -> list[dict[str, Any]]:
        """Give the newest events: who did what, when and why; of all services, or of one."""
        found = platform.registry.audit(service=service, actor=actor, since=since, limit=limit)
        return [event_json(event) for event in found]


def _add_tokens(router: APIRouter, platform: Platform) -> None:
    @router.get("/tokens")
    def tokens() -> list[dict[str, Any]]:
        """Give all tokens that were made; nobody can tell their secrets."""
        now = datetime.now(UTC)
        return [_shown(token, now) for token in platform.registry.tokens()]

    @router.post("/tokens", status_code=201)
    def create(order: NewTokenOrder, actor: Asker) -> dict[str, Any]:
        """Make a token; its secret is in this answer and nowhere else."""
        made, now = new_token(), datetime.now(UTC)
        token = platform.registry.create_token(
            made,
            name=order.name,
            grants=[Grant(role=order.role, service=service) for service in dict.fromkeys(order.services)],
            expires=now + timedelta(seconds=order.expires_s),
            actor=str(actor),
            because=order.because or f"a token of {order.name}, {order.role} of {' and '.join(order.services)}",
        )
        return {**_shown(token, now), "token": made.spelled}

    @router.post("/tokens/{identity}/revocation")
    def revoke(identity: str, order: Revocation, actor: Asker) -> dict[str, Any]:
        """Make a token open nothing any more, from now on."""
        because = order.because or f"revoked by {actor}"
        token = platform.registry.revoke_token(identity, actor=str(actor), because=because)
        return _shown(token, datetime.now(UTC))


def _add_opinions(router: APIRouter, platform: Platform) -> None:
    @router.post("/revisions/{name}/approval")
    def approve(name: str, opinion: Opinion, actor: Asker) -> dict[str, Any]:
        """Approve the promotion of a revision that waits for it."""
        return platform.approve(RevisionName.parse(name), approves=True, because=opinion.because, actor=actor)

    @router.post("/revisions/{name}/rejection")
    def reject(name: str, opinion: Opinion, actor: Asker) -> dict[str, Any]:
        """Reject the promotion of a revision that waits for approval: it is torn down."""
        return platform.approve(RevisionName.parse(name), approves=False, because=opinion.because, actor=actor)


def _shown(token: Token, now: datetime) -> dict[str, Any]:
    state = "revoked" if token.revoked is not None else "valid" if token.is_valid(now) else "expired"
    return {
        "id": token.id,
        "name": token.name,
        "state": state,
        "grants": _grants(token.grants),
        "created": token.created.isoformat(),
        "expires": token.expires.isoformat(),
        "revoked": token.revoked.isoformat() if token.revoked else None,
        "actor": token.actor,
    }


def _grants(grants: tuple[Grant, ...]) -> list[dict[str, str]]:
    return [{"role": str(grant.role), "service": grant.service} for grant in grants]
