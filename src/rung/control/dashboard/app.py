"""The dashboard as an application below `/ui`: its routes, who is let in, and what every answer carries.

`__main__` adds it to the API's application. Each page is a function from a visit to a `Page`; what is refused becomes
a page, too, with the reason and the hint that a command would print.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from rung.control.api.app import status_of
from rung.control.api.door import DASHBOARD
from rung.control.dashboard import _deeds
from rung.control.dashboard._entrance import Entrance, back_to, form_of
from rung.control.dashboard._live import Streams
from rung.control.dashboard._look import STATIC, render
from rung.control.dashboard._stored import Stored
from rung.control.dashboard._visit import Page, Visit
from rung.control.dashboard.pages import PAGES, REPORTS
from rung.errors import NotAuthenticatedError, RungError
from rung.serving._problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from rung.control._platform import Platform
    from rung.control.api.door import Guard

__all__ = ["HEADERS", "add_dashboard"]

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-store",
    }
)
"""Of every page: nothing is loaded from elsewhere, nothing runs within a page, and nobody frames it."""
_KEPT_FOR_EVER = "public, max-age=31536000, immutable"  # their addresses change with them
_log = structlog.get_logger("rung.dashboard")


def add_dashboard(
    app: FastAPI, platform: Platform, guard: Guard, *, is_stopping: Callable[[], bool] = lambda: False
) -> Callable[[], None]:
    """Add the dashboard to the API's application, and lead from its root to it.

    Args:
        app: The API.
        platform: Whose pages.
        guard: Tells who asks.
        is_stopping: Whether the process is to end: pages that follow events are let go.

    Returns:
        What ends the work beside the requests, to be called once no more of them come.
    """
    served = _Dashboard(platform, guard, is_stopping=is_stopping)

    async def root(_: Request) -> Response:
        return RedirectResponse(f"{DASHBOARD}/", status_code=307)

    app.router.routes += [Route("/", root), Mount(DASHBOARD, served.application())]
    return served.end


class _Dashboard:
    """Pages, deeds and streams of one platform."""

    def __init__(self, platform: Platform, guard: Guard, *, is_stopping: Callable[[], bool]) -> None:
        self._platform = platform
        self._entrance = Entrance(guard)
        self._stored = Stored()
        self._streams = Streams(platform.registry, is_stopping=is_stopping)

    def end(self) -> None:
        """Make nothing any more beside the requests."""
        self._stored.end()

    def application(self) -> ASGIApp:
        """Give its application."""
        routes: list[Route | Mount] = [
            Route("/login", self._log_in, methods=["GET", "POST"]),
            Route("/enter", self._enter),
            Route("/leave", self._leave, methods=["POST"]),
            Route("/deeds/{deed}", self._do, methods=["POST"]),
            Route("/revisions/{name}/events", self._follow),
            *(Route(path, self._page(page)) for path, page in PAGES.items()),
            *(Route(path, self._report(report)) for path, report in REPORTS.items()),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
        app = Starlette(routes=routes, middleware=[Middleware(_Headers)])
        app.add_exception_handler(RungError, self._refused)
        app.add_exception_handler(ProblemError, self._refused)
        app.add_exception_handler(HTTPException, self._refused)
        app.add_exception_handler(Exception, _broken)  # it is raised on, and logged with its trace
        return app

    # --- who is let in ---

    async def _log_in(self, request: Request) -> Response:
        if request.method == "POST":
            form = form_of(await request.body())
            return await run_in_threadpool(self._entrance.log_in, request, form)
        return HTMLResponse(
            render("login.html", {"error": None, "asks": True, "back": back_to(request.query_params.get("back", ""))})
        )

    async def _enter(self, request: Request) -> Response:
        return await run_in_threadpool(self._entrance.enter, request)

    async def _leave(self, request: Request) -> Response:
        form = form_of(await request.body())
        visit = await run_in_threadpool(self._visit, request)
        self._entrance.check_form(request, visit.session, form)
        return self._entrance.leave(request, visit.session)

    def _visit(self, request: Request) -> Visit:
        actor, session = self._entrance.known(request)
        return Visit(platform=self._platform, stored=self._stored, actor=actor, session=session, request=request)

    # --- pages and deeds ---

    def _page(self, page: Callable[[Visit], Page]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            visit = self._visit(request)
            return _shown(page(visit), visit)

        return answer

    def _report(self, report: Callable[[Visit], str]) -> Callable[[Request], Response]:
        """Serve a page that stands for itself: it has its own style, and no script."""

        def answer(request: Request) -> Response:
            policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
            return HTMLResponse(report(self._visit(request)), headers={"content-security-policy": policy})

        return answer

    async def _do(self, request: Request) -> Response:
        form = form_of(await request.body())
        return await run_in_threadpool(self._done, request, form)

    def _done(self, request: Request, form: Mapping[str, str]) -> Response:
        visit = self._visit(request)
        self._entrance.check_form(request, visit.session, form)
        name = request.path_params["deed"]
        _deeds.do(name, form, platform=self._platform, actor=visit.actor)
        _log.info("deed", deed=name, subject=form.get("subject"), actor=str(visit.actor))
        return RedirectResponse(back_to(form.get("back", "")), status_code=303)

    async def _follow(self, request: Request) -> Response:
        name = (await run_in_threadpool(self._visit, request)).revision()
        return self._streams.follow(name, request)

    # --- what is refused ---

    async def _refused(self, request: Request, error: Exception) -> Response:
        if isinstance(error, NotAuthenticatedError):
            return self._unknown(request, error)
        status, told, hint = _told(error)
        try:
            visit = await run_in_threadpool(self._visit, request)
        except (RungError, ProblemError):
            return HTMLResponse(
                render("login.html", {"error": told, "asks": True, "back": f"{DASHBOARD}/"}), status_code=status
            )
        values = {
            "told": told,
            "hint": hint,
            "back": back_to(request.headers.get("referer", "").partition(DASHBOARD)[2]),
        }
        return _shown(Page(template="refused.html", title="This was refused", values=values, status=status), visit)

    def _unknown(self, request: Request, error: NotAuthenticatedError) -> Response:
        """Ask who it is; a page that somebody followed a link to is shown afterwards."""
        is_page = request.method == "GET" and not request.url.path.endswith(("/enter", "/events"))
        path = f"{request.url.path}?{request.url.query}".rstrip("?")
        was_tried = request.method == "POST" or request.url.path.endswith("/enter")
        told = f"{error.message}: {error.hint}" if was_tried else None
        values = {"error": told, "asks": True, "back": back_to(path) if is_page else f"{DASHBOARD}/"}
        return HTMLResponse(render("login.html", values), status_code=401)


class _Headers:
    """Middleware: what every answer carries."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers; what an answer says itself stays."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if "/static/" in scope["path"] and message["status"] == 200:  # noqa: PLR2004  what is there
                    headers["cache-control"] = _KEPT_FOR_EVER
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, add if scope["type"] == "http" else send)


def _shown(page: Page, visit: Visit) -> Response:
    here = str(visit.request.url.path)
    frame: dict[str, Any] = {
        "page": page,
        "actor": str(visit.actor),
        "proof": visit.session.proof,
        "here": f"{here}?{visit.request.url.query}".rstrip("?"),
        "section": here.removeprefix(f"{DASHBOARD}/").partition("/")[0],
    }
    return HTMLResponse(render(page.template, {**frame, **page.values}), status_code=page.status)


async def _broken(_: Request, error: Exception) -> Response:
    told = f"this page could not be made ({type(error).__name__}): the control plane's log tells why"
    values = {"error": told, "asks": False, "back": f"{DASHBOARD}/"}
    return HTMLResponse(render("login.html", values), status_code=500)


def _told(error: Exception) -> tuple[int, str, str]:
    """Give the status, the sentence and the hint of what was refused."""
    if isinstance(error, RungError):
        return status_of(error), error.message, error.hint
    if isinstance(error, ProblemError):
        return error.status, error.detail, ""
    assert isinstance(error, HTTPException)  # noqa: S101  registered for these
    return error.status_code, "there is no such page" if error.status_code == 404 else str(error.detail), ""  # noqa: PLR2004
