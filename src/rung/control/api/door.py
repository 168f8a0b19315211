"""The door of the API: who asks is known before a byte of the body is read; what they may do is one table.

Authentication is a middleware, so that it also stands before routes that do not exist. Authorisation is a dependency
of every route: a route that the table does not name is refused when the API is made.
"""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import structlog
from anyio import to_thread
from fastapi import Depends, Request
from fastapi.routing import APIRoute

from rung.access import EVERYWHERE, LEAST, Action, Actor, Grant, Kind, Logins, Role, Throttle, Tokens, allowed
from rung.control.api.sessions import Sessions
from rung.errors import NotAllowedError, NotAuthenticatedError, RungError, UnavailableError
from rung.schema import RevisionName
from rung.serving._problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from rung.registry import Registry
    from rung.settings import Login

_log = structlog.get_logger("rung.control")

PUBLIC = frozenset({"/healthz", "/login", "/docs", "/openapi.json"})
"""Paths that anybody may ask: that it lives, where to log in, and what it offers."""

DASHBOARD = "/ui"
"""Path of the dashboard, which has a door of its own: cookies in place of tokens, behind them the same guard."""

ACTIONS: Mapping[tuple[str, str], Action] = MappingProxyType(
    {
        ("GET", "/me"): Action.READ,
        ("POST", "/tickets"): Action.READ,
        ("GET", "/status"): Action.READ,
        ("GET", "/events"): Action.READ,
        ("GET", "/audit"): Action.READ,
        ("GET", "/revisions/{name}"): Action.READ,
        ("GET", "/revisions/{name}/log"): Action.READ,
        ("GET", "/revisions/{name}/promotions"): Action.READ,
        ("GET", "/revisions/{name}/why"): Action.READ,
        ("GET", "/revisions/{name}/shadow"): Action.READ,
        ("GET", "/majors/{service}/{major}/why"): Action.READ,
        ("GET", "/majors/{service}/{major}/metrics"): Action.READ,
        ("GET", "/majors/{service}/{major}/experiment"): Action.READ,
        ("GET", "/majors/{service}/{major}/experiment/course"): Action.READ,
        ("GET", "/majors/{service}/{major}/experiment/audit"): Action.READ,
        ("GET", "/majors/{service}/{major}/units"): Action.READ,
        ("GET", "/majors/{service}/{major}/rewards"): Action.READ,
        ("GET", "/services/{service}/history"): Action.READ,
        ("GET", "/services/{service}/contracts"): Action.READ,
        ("GET", "/services/{service}/experiments"): Action.READ,
        ("GET", "/services/{service}/monitor"): Action.READ,
        ("GET", "/predictions/{identity}"): Action.READ,
        ("GET", "/runs"): Action.READ,
        ("GET", "/runs/{identity}"): Action.READ,
        ("GET", "/lineage"): Action.READ,
        ("GET", "/metrics"): Action.READ,
        ("GET", "/cost"): Action.READ,
        ("GET", "/training/queue"): Action.READ,
        ("GET", "/notebooks/schedules"): Action.READ,
        ("GET", "/gateways"): Action.READ,
        ("GET", "/alerts"): Action.READ,
        ("POST", "/alerts/{identity}/acknowledgement"): Action.DEPLOY,
        ("POST", "/alerts/{identity}/silence"): Action.DEPLOY,
        ("POST", "/alerts/{identity}/closing"): Action.DEPLOY,
        ("GET", "/alerts/channels"): Action.ADMINISTER,
        ("POST", "/alerts/test"): Action.ADMINISTER,
        ("GET", "/services/{service}/path"): Action.READ,
        ("GET", "/services/{service}/specification"): Action.READ,
        ("GET", "/services/{service}/specification/{digest}"): Action.READ,
        ("GET", "/majors/{service}/{major}/metrics/declared"): Action.READ,
        ("GET", "/data-requests"): Action.READ,
        ("POST", "/services/{service}/specification/signatures"): Action.DEPLOY,
        ("POST", "/majors/{service}/{major}/metrics/review"): Action.DEPLOY,
        ("POST", "/majors/{service}/{major}/metrics/requests"): Action.DEPLOY,
        ("POST", "/majors/{service}/{major}/metrics/fulfilments"): Action.DEPLOY,
        ("POST", "/revisions"): Action.DEPLOY,
        ("POST", "/revisions/{name}/serving"): Action.DEPLOY,
        ("POST", "/services/{service}/notebooks/{notebook}/schedule"): Action.DEPLOY,
        ("POST", "/services/{service}/notebooks/{notebook}/schedule/removal"): Action.DEPLOY,
        ("POST", "/majors/{service}/{major}/retraining"): Action.DEPLOY,
        ("POST", "/revisions/{name}/teardown"): Action.DEPLOY,
        ("POST", "/revisions/{name}/revive"): Action.DEPLOY,
        ("POST", "/revisions/{name}/promotions"): Action.PROMOTE,
        ("POST", "/revisions/{name}/shadow"): Action.PROMOTE,
        ("POST", "/majors/{service}/{major}/contracts"): Action.PROMOTE,
        ("POST", "/majors/{service}/{major}/contracts/{consumer}/removal"): Action.PROMOTE,
        ("POST", "/majors/{service}/{major}/rollback"): Action.PROMOTE,
        ("POST", "/majors/{service}/{major}/experiment/pause"): Action.PROMOTE,
        ("POST", "/majors/{service}/{major}/experiment/resume"): Action.PROMOTE,
        ("POST", "/majors/{service}/{major}/experiment/abort"): Action.PROMOTE,
        ("POST", "/revisions/{name}/approval"): Action.APPROVE,
        ("POST", "/revisions/{name}/rejection"): Action.APPROVE,
        ("GET", "/tokens"): Action.ADMINISTER,
        ("POST", "/tokens"): Action.ADMINISTER,
        ("POST", "/tokens/{identity}/revocation"): Action.ADMINISTER,
        ("GET", "/consumers"): Action.ADMINISTER,
        ("POST", "/consumers"): Action.ADMINISTER,
        ("POST", "/consumers/{wanted}/revocation"): Action.ADMINISTER,
        ("POST", "/gateways/{gateway}/report"): Action.ROUTE,
        ("POST", "/gateways/{gateway}/leave"): Action.ROUTE,
        ("POST", "/gateways/{gateway}/removal"): Action.ADMINISTER,
        ("POST", "/shutdown"): Action.ADMINISTER,
    }
)
"""What each route does, and so which role it needs."""

NARROWED = frozenset(
    {
        ("GET", "/me"),
        ("POST", "/tickets"),
        ("GET", "/status"),
        ("GET", "/predictions/{identity}"),
        ("GET", "/runs/{identity}"),
        ("GET", "/lineage"),
        ("GET", "/cost"),
        ("GET", "/training/queue"),
        ("GET", "/notebooks/schedules"),
        ("GET", "/data-requests"),
        ("GET", "/alerts"),
        ("POST", "/alerts/{identity}/acknowledgement"),
        ("POST", "/alerts/{identity}/silence"),
        ("POST", "/alerts/{identity}/closing"),
        ("POST", "/revisions"),
    }
)
"""Routes that look at the service themselves, since it is in a body or an answer; a role in any service opens them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Tells who asks."""

    owner_token: str = field(repr=False)
    """Of `.rung/control.json`."""
    tokens: Tokens
    logins: Logins | None
    throttle: Throttle = field(default_factory=Throttle)
    sessions: Sessions = field(default_factory=Sessions)

    @classmethod
    def of(cls, registry: Registry, *, owner_token: str, login: Login | None) -> Guard:
        """Make one for a platform."""
        logins = None if login is None else Logins(login)
        return cls(owner_token=owner_token, tokens=Tokens(registry.token), logins=logins)

    def actor(self, authorization: str, *, user: str, peer: str, host: str) -> Actor:
        """Tell who asks.

        Args:
            authorization: The header.
            user: What the owner calls themselves; of nobody else it is believed.
            peer: Address that it comes from.
            host: Address that it came to.

        Raises:
            NotAuthenticatedError: Nobody is known to ask.
            ProblemError: There were too many attempts from there.
            UnavailableError: The login provider does not answer.
        """
        scheme, _, presented = authorization.partition(" ")
        if scheme.lower() != "bearer" or not presented:
            raise NotAuthenticatedError("this needs a token", hint="`rung login`, or RUNG_TOKEN")
        if _is_near(peer, host) and secrets.compare_digest(presented.encode(), self.owner_token.encode()):
            return Actor(name=_owner(user), kind=Kind.LOCAL, grants=(Grant(role=Role.ADMIN),))
        wait_s = self.throttle.wait_s(peer)
        try:
            return self._known(presented, peer, wait_s)
        except NotAuthenticatedError as error:
            self.throttle.failed(peer)
            if not wait_s:  # whoever goes on does not fill the log
                _log.warning("refused", peer=peer, because=error.message)
            raise

    def _known(self, presented: str, peer: str, wait_s: float) -> Actor:
        if self.logins is not None and presented.count(".") == 2:  # noqa: PLR2004  header, claims, signature
            return self.logins.actor(presented)
        actor = self.tokens.actor(presented, datetime.now(UTC), may_verify=not wait_s)
        if actor is None:
            raise ProblemError(
                status=429,
                detail=f"there were too many wrong tokens from {peer}",
                headers={"retry-after": f"{wait_s + 1:.0f}"},
            )
        return actor


@dataclass(frozen=True, slots=True)
class Door:
    """The middleware: nobody unknown comes further."""

    app: ASGIApp
    guard: Guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or let the request in with its actor."""
        if scope["type"] == "http" and not _has_another_door(scope["path"]):
            try:
                actor = await to_thread.run_sync(self._actor, scope)
            except NotAuthenticatedError as error:
                problem = ProblemError(status=401, detail=error.message, headers={"www-authenticate": "Bearer"})
                await problem.response(code=error.code, hint=error.hint)(scope, receive, send)
                return
            except UnavailableError as error:
                problem = ProblemError(status=503, detail=error.message)
                await problem.response(code=error.code, hint=error.hint)(scope, receive, send)
                return
            except ProblemError as problem:
                await problem.response()(scope, receive, send)
                return
            scope.setdefault("state", {})["actor"] = actor
        await self.app(scope, receive, send)

    def _actor(self, scope: Scope) -> Actor:
        headers = {name.lower(): value.decode(errors="replace") for name, value in scope["headers"]}
        peer, host = (address[0] if address else "" for address in (scope.get("client"), scope.get("server")))
        return self.guard.actor(
            headers.get(b"authorization", ""), user=headers.get(b"x-rung-user", ""), peer=peer, host=host
        )


def _has_another_door(path: str) -> bool:
    return path in PUBLIC or path in {"/", DASHBOARD} or path.startswith(f"{DASHBOARD}/")


def asker(request: Request) -> Actor:
    """Give who asks, if they may do what the route does.

    Raises:
        NotAllowedError: Their role does not suffice.
    """
    actor: Actor = request.state.actor
    route = request.method, request.scope["route"].path_format
    service = _service(request)
    if service is None and route in NARROWED:
        if not any(allowed(actor.grants, ACTIONS[route], grant.service) for grant in actor.grants):
            raise _refusal(actor, ACTIONS[route], "any service")
    else:
        check(actor, ACTIONS[route], service or EVERYWHERE)
    return actor


Asker = Annotated[Actor, Depends(asker)]
"""Who asks, as an argument of a route."""


def check(actor: Actor, action: Action, service: str) -> None:
    """Refuse whoever may not do something to a service.

    Raises:
        NotAllowedError: Their role does not suffice.
    """
    if not allowed(actor.grants, action, service):
        raise _refusal(actor, action, "all services" if service == EVERYWHERE else service)


def check_table(routes: Iterable[object]) -> None:
    """Hold the table of actions against the routes that there are.

    Raises:
        RungError: A route is not in the table, or none is there that the table names.
    """
    known = [one for one in routes if isinstance(one, APIRoute)]
    found = {(method, one.path_format) for one in known for method in one.methods or ()}
    wrong = found ^ ACTIONS.keys()
    if wrong:
        raise RungError(f"routes and the table of their actions differ: {sorted(wrong)}", hint="see api/door.py")


def _service(request: Request) -> str | None:
    """Name the service that a request is about, by its path or its query."""
    given: dict[str, Any] = {**request.query_params, **request.path_params}
    if "name" in request.path_params:
        return RevisionName.parse(given["name"]).service
    return given.get("service")


def _refusal(actor: Actor, action: Action, where: str) -> NotAllowedError:
    held = "no role" if not actor.grants else ", ".join(f"{one.role} of {_named(one.service)}" for one in actor.grants)
    return NotAllowedError(
        f"{actor} has {held}, and to {action} needs {LEAST[action]} of {where}",
        hint="an admin gives roles: `rung token create`, or login.roles in rung.toml",
    )


def _named(service: str) -> str:
    return "all services" if service == EVERYWHERE else service


def _is_near(peer: str, host: str) -> bool:
    """Tell whether a request comes from this machine: from loopback, or from the very address that it came to."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback or peer == host


def _owner(user: str) -> str:
    """Name the owner as they call themselves, unless it could be taken for somebody else's name or another line."""
    is_name = 0 < len(user) <= 150 and user.isprintable() and ":" not in user  # noqa: PLR2004  see `Logins`
    return user if is_name else "unknown"
