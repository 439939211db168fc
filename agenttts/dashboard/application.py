"""The pages: sessions, one session while it runs, its report, several beside each other."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.reporting.page import TEMPLATES, environment
from agenttts.dashboard.control import Control
from agenttts.dashboard.pages import Pages
from tools.errors import AgentttsError, InvalidInput, UnknownSession

HERE = Path(__file__).parent
COOKIE = "agenttts_token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class DashboardSettings:
    """`storage` is the database's URL. Requests that change something carry `token`; only `hosts` are answered."""

    storage: str = field(repr=False)  # it may hold a password
    token: str = field(repr=False)
    hosts: tuple[str, ...]


def application(settings: DashboardSettings) -> Starlette:
    """The dashboard. Nothing but the POST routes changes anything, and those need the token."""
    pages = _Routes(settings)
    routes = [
        Route("/", pages.sessions),
        Route("/sessions/{session}", pages.session),
        Route("/sessions/{session}/live", pages.live),
        Route("/sessions/{session}/report", pages.report),
        Route("/sessions/{session}/stop", pages.stop, methods=["POST"]),
        Route("/sessions/{session}/resume", pages.resume, methods=["POST"]),
        Route("/compare", pages.compare),
        Route("/static/report.css", _stylesheet),
        Route("/favicon.ico", lambda _: Response(status_code=204)),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    return Starlette(routes=routes, middleware=[Middleware(_Guard, hosts=settings.hosts)])


class _Guard:
    """Answers to its own names alone, so that no web page reaches a local server under a name of its own."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
            if host not in self._hosts:
                await HTMLResponse("This page answers to its own address alone.", 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


Page = Callable[["_Routes", Request], Awaitable[Response]]


def _told(page: Page) -> Page:
    """Answers errors with a page that says what is wrong."""

    async def answered(self: _Routes, request: Request) -> Response:
        try:
            return await page(self, request)
        except UnknownSession as error:
            return self.render("problem.html.j2", 404, problem=str(error))
        except InvalidInput as error:
            return self.render("problem.html.j2", 400, problem=str(error))
        except AgentttsError as error:
            return self.render("problem.html.j2", 500, problem=str(error))

    return answered


class _Routes:
    def __init__(self, settings: DashboardSettings) -> None:
        self._settings = settings
        self._control = Control(settings.storage)
        self._pages = Pages(settings.storage, self._control)
        self._templates = environment(HERE / "templates")

    @_told
    async def sessions(self, request: Request) -> Response:
        if given := request.query_params.get("token"):
            return self._let_in(given)
        page = _page_number(request)
        values = await run_in_threadpool(self._pages.sessions, page)
        return self.render("sessions.html.j2", may_change=self._may_change(request), **values)

    @_told
    async def session(self, request: Request) -> Response:
        values = await run_in_threadpool(self._pages.session, request.path_params["session"])
        return self.render("session_live.html.j2", may_change=self._may_change(request), **values)

    @_told
    async def live(self, request: Request) -> Response:
        values = await run_in_threadpool(self._pages.session, request.path_params["session"])
        return self.render("live.html.j2", may_change=self._may_change(request), **values)

    @_told
    async def report(self, request: Request) -> Response:
        html = await run_in_threadpool(self._pages.report, request.path_params["session"])
        # The report brings a policy of its own, by which its two scripts may run.
        return HTMLResponse(html, headers={"Referrer-Policy": "no-referrer"})

    @_told
    async def compare(self, request: Request) -> Response:
        chosen = request.query_params.getlist("session")
        values = await run_in_threadpool(self._pages.compare, chosen)
        return self.render("compare_sessions.html.j2", may_change=self._may_change(request), **values)

    @_told
    async def stop(self, request: Request) -> Response:
        return await self._change(request, self._pages.stop)

    @_told
    async def resume(self, request: Request) -> Response:
        return await self._change(request, self._pages.resume)

    def render(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        # With no-referrer, browsers would not say either that a form is one of ours.
        headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
        html = self._templates.get_template(template).render(**({"may_change": False} | values))
        return HTMLResponse(html, status, headers)

    def _let_in(self, given: str) -> Response:
        """Puts the token into a cookie, so that it is in no further address."""
        response = RedirectResponse("/", 303)
        if hmac.compare_digest(given.encode(), self._settings.token.encode()):
            response.set_cookie(COOKIE, given, httponly=True, samesite="strict")
        return response

    def _may_change(self, request: Request) -> bool:
        given = request.cookies.get(COOKIE, "")
        return hmac.compare_digest(given.encode(), self._settings.token.encode())

    async def _change(self, request: Request, change: Callable[[str], str]) -> Response:
        origin = request.headers.get("origin")
        if not self._may_change(request) or (
            origin is not None and origin.split("://")[-1] not in self._settings.hosts
        ):
            return self.render("problem.html.j2", 403, problem="open the address that `agenttts ui` printed first")
        session = await run_in_threadpool(change, request.path_params["session"])
        return RedirectResponse(f"/sessions/{session}", 303)


def _stylesheet(_: Request) -> Response:
    """That of the reports, whose parts the pages show."""
    return FileResponse(TEMPLATES / "report.css")


def _page_number(request: Request) -> int:
    text = request.query_params.get("page", "0")
    return int(text) if text.isdecimal() and len(text) < 7 else 0
