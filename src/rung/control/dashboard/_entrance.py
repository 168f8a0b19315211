"""The dashboard's own door: a ticket or a token becomes a session, and the API's guard is asked again at each page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

from starlette.responses import RedirectResponse

from rung.control.api.door import DASHBOARD
from rung.control.api.sessions import SESSION_S, Credentials
from rung.errors import NotAllowedError, NotAuthenticatedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from rung.access import Actor
    from rung.control.api.door import Guard
    from rung.control.api.sessions import Session

__all__ = ["Entrance", "back_to", "form_of"]

_FROM_HERE = frozenset({"same-origin", "none"})
"""What browsers say of a request that no other site began."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Lets in whom the guard knows."""

    guard: Guard

    def enter(self, request: Request) -> Response:
        """Begin a session with a ticket.

        Raises:
            NotAuthenticatedError: It is void, or another site showed it.
        """
        _check_site(request)
        credentials = self.guard.sessions.redeem(request.query_params.get("ticket", ""))
        if credentials is None:
            raise NotAuthenticatedError(
                "this ticket was used before, or is more than a minute old", hint="`rung dashboard` makes another one"
            )
        return self._begin(request, credentials, f"{DASHBOARD}/")

    def log_in(self, request: Request, form: Mapping[str, str]) -> Response:
        """Begin a session with a token.

        Raises:
            NotAuthenticatedError: It opens nothing.
        """
        _check_site(request)
        credentials = Credentials(authorization=f"Bearer {form.get('token', '').strip()}", user="")
        return self._begin(request, credentials, back_to(form.get("back", "")))

    def leave(self, request: Request, session: Session) -> Response:
        """End a session."""
        self.guard.sessions.end(session.key)
        answer = RedirectResponse(f"{DASHBOARD}/login", status_code=303)
        answer.delete_cookie(_cookie(request), path=DASHBOARD)
        return answer

    def known(self, request: Request) -> tuple[Actor, Session]:
        """Tell who asks for a page.

        Raises:
            NotAuthenticatedError: Nobody is known to.
            UnavailableError: The login provider does not answer.
        """
        session = self.guard.sessions.find(request.cookies.get(_cookie(request), ""))
        if session is None:
            raise NotAuthenticatedError("nobody is logged in here", hint="`rung dashboard` opens it")
        return self._actor(request, session.credentials), session

    def check_form(self, request: Request, session: Session, form: Mapping[str, str]) -> None:
        """Refuse a form that was not sent from a page of this session.

        Raises:
            NotAllowedError: It was not.
        """
        _check_site(request)
        if form.get("proof") != session.proof:
            raise NotAllowedError("this form is not of your session", hint="load the page again, and send it then")

    def _begin(self, request: Request, credentials: Credentials, path: str) -> Response:
        self._actor(request, credentials)
        session = self.guard.sessions.begin(credentials)
        answer = RedirectResponse(path, status_code=303)
        answer.set_cookie(
            _cookie(request),
            session.key,
            max_age=int(SESSION_S),
            path=DASHBOARD,
            httponly=True,
            samesite="lax",  # links from elsewhere lead to pages; forms need the proof, too
            secure=request.url.scheme == "https",
        )
        return answer

    def _actor(self, request: Request, credentials: Credentials) -> Actor:
        peer = request.client.host if request.client else ""
        host = (request.scope.get("server") or ("",))[0]
        return self.guard.actor(credentials.authorization, user=credentials.user, peer=peer, host=host)


def form_of(body: bytes) -> dict[str, str]:
    """Read a form; of a field that is given twice, the last."""
    found = parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=50)
    return {name: values[-1] for name, values in found.items()}


def back_to(path: str) -> str:
    """Give a path of the dashboard to go back to; its first page in place of any other address.

    >>> back_to("/ui/revisions/housing.v1.m1"), back_to("//elsewhere.example/ui/"), back_to("/ui/../status")
    ('/ui/revisions/housing.v1.m1', '/ui/', '/ui/')
    """
    is_own = path.startswith(f"{DASHBOARD}/") and ".." not in path and "\\" not in path and path.isprintable()
    return quote(path, safe="/?=&.%:-_+@") if is_own else f"{DASHBOARD}/"


def _cookie(request: Request) -> str:
    """Name the cookie: cookies know no ports, and two platforms may be on one machine."""
    return f"rung_session_{(request.scope.get('server') or ('', 0))[1]}"


def _check_site(request: Request) -> None:
    """Refuse what another site began in somebody's browser.

    Raises:
        NotAuthenticatedError: One did.
    """
    if request.headers.get("sec-fetch-site", "none") not in _FROM_HERE:
        raise NotAuthenticatedError("another site sent you here", hint="open the address yourself")
