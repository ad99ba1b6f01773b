"""The inbox's routes, and who may use which."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from hitl_opa.approvals.accounts import Accounts
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.audit import AuditLog
from hitl_opa.config import Config
from hitl_opa.errors import ApprovalError, AuditError
from hitl_opa.server.inbox import timeline
from hitl_opa.server.inbox.changes import Changes
from hitl_opa.server.inbox.desk import Desk
from hitl_opa.server.inbox.oidc import Oidc
from hitl_opa.server.inbox.oversight import Overview
from hitl_opa.server.inbox.pages import HERE, Pages
from hitl_opa.server.inbox.signin import SignIn
from hitl_opa.server.inbox.visitor import Visitor, Visitors
from hitl_opa.server.inbox.whatif import WhatIf

Handler = Callable[[Request, Visitor], Awaitable[Response]]
MAX_BODY = 4 * 1024 * 1024
MAX_LOGIN = 16 * 1024  # bytes: from people nobody knows yet


def inbox_routes(
    approvals: Approvals, accounts: Accounts, audit: AuditLog, config: Config, now: Callable[[], float] | None = None
) -> list[BaseRoute]:
    """All below ``/inbox``. ``now``: seconds since the epoch."""
    settings, pages = config.inbox, Pages()
    visitors = Visitors(accounts, settings, **({"now": now} if now else {}))
    oidc = Oidc(settings.oidc, visitors) if settings.oidc else None
    signin = SignIn(visitors, pages, audit, settings.oidc.name if settings.oidc else "")
    desk = Desk(approvals, visitors, pages)
    overview = Overview(approvals, audit, config, visitors, pages)
    whatif = WhatIf(audit, config, pages)
    changes = Changes(lambda: _last(audit))

    def only(role: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            visitor = await asyncio.to_thread(visitors.of, request)
            if visitor is None:
                if request.method == "POST":
                    words = "You are not logged in any more, so nothing was done. Log in, then do it again."
                    return pages.page("problem.html", None, 403, title="Logged out", words=words)
                return RedirectResponse(f"/inbox/login?next={quote(_path(request))}", 303)
            if not visitor.may(role):
                words = f"Your account may look, and not do this: it takes the role {role}."
                return pages.page("problem.html", visitor, 403, here="", title="Not yours to do", words=words)
            if request.method == "POST" and not await _brought(request, visitor):
                words = "This form was not from a page of yours, or is too old. Nothing was done."
                return pages.page("problem.html", visitor, 403, here="", title="Not done", words=words)
            try:
                return await handler(request, visitor)
            except ApprovalError as error:
                return pages.page("problem.html", visitor, 404, here="", title="Not possible", words=str(error))
            except AuditError as error:
                words = f"The record cannot be used just now, so nothing was done: {error}"
                return pages.page("problem.html", visitor, 503, here="", title="Not possible", words=words)

        return checked

    async def log_in(request: Request) -> Response:
        if not _small(request, MAX_LOGIN):
            return PlainTextResponse("That is no name and password.", 413)
        return await signin.log_in(request)

    async def listing(_: Request, visitor: Visitor) -> Response:
        found = await asyncio.to_thread(timeline.sessions, audit)
        return pages.page("sessions.html", visitor, here="/inbox/sessions", sessions=found)

    async def session(request: Request, visitor: Visitor) -> Response:
        id = request.path_params["id"]
        found = await asyncio.to_thread(timeline.entries, audit, id)
        return pages.page("session.html", visitor, here="/inbox/sessions", id=id, entries=found)

    async def events(request: Request, _: Visitor) -> Response:
        last = request.headers.get("last-event-id", "")
        stream = changes.after(int(last) if last.isdigit() else 0)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"cache-control": "no-store"})

    def get(path: str, handler: Handler, role: str = "viewer") -> Route:
        return Route(path, only(role, handler), methods=["GET"])

    def post(path: str, handler: Handler, role: str = "reviewer") -> Route:
        return Route(path, only(role, handler), methods=["POST"])

    one = "/approvals/{id}"
    routes: list[BaseRoute] = [
        Route("/login", signin.form, methods=["GET"]),
        Route("/login", log_in, methods=["POST"]),
        post("/logout", lambda request, _: signin.log_out(request), "viewer"),
        get("/again", signin.again_form),
        post("/again", signin.again, "viewer"),
        get("/account", signin.account),
        post("/account/password", signin.password, "viewer"),
        post("/account/everywhere", signin.everywhere, "viewer"),
        get("/", desk.queue),
        get("/history", desk.history),
        get("/sessions", listing),
        get("/sessions/{id:path}", session),
        get("/whatif", whatif.show, "reviewer"),
        get("/events", events),
        get("/effectiveness", overview.effectiveness),
        post("/effectiveness/rate", overview.rate),
        get("/autonomy", overview.autonomy),
        get("/grants", overview.grants),
        post("/grants/{id}/revoke", overview.revoke),
        post("/several", desk.several),
        get(one, desk.show),
        post(f"{one}/decide", desk.decide),
        post(f"{one}/edit", desk.edit),
        post(f"{one}/answer", desk.answer),
        post(f"{one}/cancel", desk.cancel),
        post(f"{one}/reconcile", desk.reconcile),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    if oidc is not None:
        routes += [
            Route("/oidc", oidc.start, methods=["GET"]),
            Route("/oidc/back", oidc.back, methods=["GET"], name="oidc_back"),
        ]
    return [Route("/inbox", only("viewer", desk.queue), methods=["GET"]), Mount("/inbox", routes=routes)]


async def _brought(request: Request, visitor: Visitor) -> bool:
    """Whether a POST brought the token of its own form; what `again` brings is its own affair."""
    if not _small(request, MAX_BODY):
        return False
    form = await request.form()
    token = form.get("token")
    if not isinstance(token, str):
        return False
    id = request.path_params.get("id")
    path = request.url.path.rstrip("/")
    if path.endswith("/again"):
        return True  # checked there: the form is also shown to who is not logged in
    about = ("approval", str(id)) if id else (path.rsplit("/", 1)[-1],)
    return visitor.sent(token, *about)


def _small(request: Request, most: int) -> bool:
    """Whether the body is known not to be larger."""
    length = request.headers.get("content-length", "")
    return length.isascii() and length.isdigit() and len(length) < 12 and int(length) <= most


def _path(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _last(audit: AuditLog) -> int:
    """Grows with every record."""
    with contextlib.suppress(StopIteration):
        return next(iter(audit.tail(1))).id
    return 0
