"""Logging in and out."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hitl_opa.approvals.accounts import Account
from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.errors import ApprovalError
from hitl_opa.server.inbox.pages import Pages
from hitl_opa.server.inbox.passwords import LEAST, hashed, right
from hitl_opa.server.inbox.visitor import ASKED, Visitor, Visitors, set_cookie, sign

OLD = "The form was too old: try again."
WRONG = "That is not a name and password that go together."
TRIES, WINDOW = 8, 300.0  # wrong passwords of one name or address in so many seconds


class Tries:
    """Wrong passwords, by name and by address: both are made to wait."""

    def __init__(self, most: int = TRIES, window: float = WINDOW) -> None:
        self._most, self._window = most, window
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def too_many(self, *keys: str) -> bool:
        now = time.monotonic()
        return any(sum(now - at < self._window for at in self._wrong.get(key, ())) >= self._most for key in keys)

    def wrong(self, *keys: str) -> None:
        now = time.monotonic()
        for key in keys:
            kept = [at for at in self._wrong.pop(key, []) if now - at < self._window]
            self._wrong[key] = [*kept, now][-self._most :]
            while len(self._wrong) > 10_000:
                self._wrong.popitem(last=False)


class SignIn:
    """Login by password. What fails is put on the record, with the address it came from."""

    def __init__(self, visitors: Visitors, pages: Pages, audit: AuditLog, oidc: str = "") -> None:
        self._visitors = visitors
        self._pages = pages
        self._audit = audit
        self._oidc = oidc
        self._tries = Tries()

    async def form(self, request: Request) -> Response:
        return self._form(request, _next(request.query_params.get("next", "")))

    async def log_in(self, request: Request) -> Response:
        form = await request.form()
        name, onward = _text(form, "name"), _next(_text(form, "next"))
        asked = request.cookies.get(ASKED, "")
        if not asked or not hmac.compare_digest(_text(form, "token").encode(), sign(asked, "login").encode()):
            return self._form(request, onward, OLD, 403)
        account = await self._checked(request, name, _text(form, "password"))
        if isinstance(account, str):
            return self._form(request, onward, account, 429 if "wait" in account else 403, name)
        response = RedirectResponse(onward, 303)
        await asyncio.to_thread(self._visitors.log_in, request, response, account, "password")
        return response

    async def log_out(self, request: Request) -> Response:
        response = RedirectResponse("/inbox/login", 303)
        await asyncio.to_thread(self._visitors.log_out, request, response)
        return response

    async def again_form(self, request: Request, visitor: Visitor) -> Response:
        """Show again who you are."""
        onward = _next(request.query_params.get("next", ""))
        return self._form(request, onward, name=visitor.account.name, again=True)

    async def again(self, request: Request, visitor: Visitor) -> Response:
        form = await request.form()
        onward = _next(_text(form, "next"))
        asked = request.cookies.get(ASKED, "")
        if not asked or not hmac.compare_digest(_text(form, "token").encode(), sign(asked, "login").encode()):
            return self._form(request, onward, OLD, 403, visitor.account.name, again=True)
        account = await self._checked(request, visitor.account.name, _text(form, "password"))
        if isinstance(account, str):
            return self._form(request, onward, account, 403, visitor.account.name, again=True)
        await asyncio.to_thread(self._visitors.accounts.authenticated, visitor.login.id, self._visitors.now())
        return RedirectResponse(onward, 303)

    # --- one's own account

    async def account(self, request: Request, visitor: Visitor) -> Response:
        return self._account(visitor)

    async def password(self, request: Request, visitor: Visitor) -> Response:
        form = await request.form()
        checked = await self._checked(request, visitor.account.name, _text(form, "old"))
        if isinstance(checked, str):
            return self._account(visitor, checked, 403)
        try:
            new = await asyncio.to_thread(hashed, _text(form, "new"))
        except ApprovalError as error:
            return self._account(visitor, str(error), 400)
        await asyncio.to_thread(lambda: self._visitors.accounts.change(visitor.account.name, password=new))
        return RedirectResponse("/inbox/login", 303)

    async def everywhere(self, request: Request, visitor: Visitor) -> Response:
        await asyncio.to_thread(self._visitors.accounts.log_out_everywhere, visitor.account.name)
        return RedirectResponse("/inbox/login", 303)

    async def _checked(self, request: Request, name: str, password: str) -> Account | str:
        """The account, or what to say."""
        address = request.client.host if request.client else ""
        keys = (f"name:{name}", f"address:{address}")
        if self._tries.too_many(*keys):
            return "Too many wrong passwords: wait five minutes."
        account = await asyncio.to_thread(self._visitors.accounts.find, name)
        good = await asyncio.to_thread(right, password, account.password if account else "")
        if account is None or not good or account.disabled:
            self._tries.wrong(*keys)
            event = Event(kind=Kind.NOTE, reviewer=name[:200], extra={"refused": "login", "address": address})
            await asyncio.to_thread(self._audit.append, event)
            return WRONG
        return account

    def _account(self, visitor: Visitor, problem: str = "", status: int = 200) -> Response:
        return self._pages.page(
            "account.html", visitor, status, here="/inbox/account", problem=problem, said="", least=LEAST
        )

    def _form(
        self, request: Request, onward: str, problem: str = "", status: int = 200, name: str = "", again: bool = False
    ) -> Response:
        asked = request.cookies.get(ASKED, "") or secrets.token_urlsafe(32)
        response = self._pages.page(
            "login.html",
            None,
            status,
            token=sign(asked, "login"),
            next=onward,
            problem=problem,
            name=name,
            oidc=self._oidc,
            again=again,
        )
        set_cookie(request, response, ASKED, asked, 3600)
        return response


def _next(text: str) -> str:
    """Where to go on: a page of the inbox, whatever a link says."""
    parts = urlsplit(text)
    good = not parts.scheme and not parts.netloc and parts.path.startswith("/inbox") and "\\" not in text
    return text if good and "//" not in text else "/inbox"


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
