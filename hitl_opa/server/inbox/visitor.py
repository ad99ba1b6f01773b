"""Who looks at a page: the login behind its cookie, and what they may do."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from hitl_opa.approvals import Person
from hitl_opa.approvals.accounts import ROLES, Account, Accounts, Login
from hitl_opa.config import Inbox

COOKIE = "hitl_login"
ASKED = "hitl_asked"  # before there is a login, what ties the login form to a browser


class Visitor(NamedTuple):
    """Somebody who is logged in. ``secret``: what their cookie holds."""

    account: Account
    login: Login
    secret: str

    def may(self, role: str) -> bool:
        """Whether their role is this one, or more."""
        return ROLES.index(self.account.role) >= ROLES.index(role)

    @property
    def person(self) -> Person:
        """Who votes."""
        return Person(
            name=self.account.name,
            groups=frozenset(self.account.groups),
            roles=frozenset(ROLES[: ROLES.index(self.account.role) + 1]),
            auth=self.login.auth,
            authenticated_at=self.login.authenticated_at,
        )

    def token(self, *about: str) -> str:
        """What a form of theirs must bring along: no other page, and nobody else, can know it."""
        return sign(self.secret, *about)

    def going(self, page: str, said: str) -> str:
        """The address of a page that says something, which nobody else can have it say."""
        return f"{page}?{urlencode({'said': said, 'mark': self.token('said', said)})}"

    def heard(self, request: Request) -> str:
        """What such an address says, ``""`` where it is not one of ours."""
        said, mark = (request.query_params.get(name, "") for name in ("said", "mark"))
        return said if self.sent(mark, "said", said) else ""

    def sent(self, token: str, *about: str) -> bool:
        """Whether a form brought it along."""
        return hmac.compare_digest(token.encode(), self.token(*about).encode())


class Visitors:
    """Logins by cookie."""

    def __init__(self, accounts: Accounts, settings: Inbox, now: Callable[[], float] = time.time) -> None:
        self.accounts = accounts
        self._settings = settings
        self.now = now

    def of(self, request: Request) -> Visitor | None:
        """Who sent this request; None where nobody who is logged in."""
        secret = request.cookies.get(COOKIE, "")
        if not secret:
            return None
        found = self.accounts.logged_in(
            key(secret), self.now(), idle=self._settings.idle, lifetime=self._settings.lifetime
        )
        return None if found is None else Visitor(found[1], found[0], secret)

    def log_in(self, request: Request, response: Response, account: Account, auth: str) -> None:
        """A new login for this browser; whatever it was before ends."""
        self.log_out(request, response)
        secret = secrets.token_urlsafe(32)
        self.accounts.log_in(key(secret), account.name, auth, self.now())
        set_cookie(request, response, COOKIE, secret, int(self._settings.lifetime))

    def log_out(self, request: Request, response: Response) -> None:
        """End the login of this browser."""
        if secret := request.cookies.get(COOKIE, ""):
            self.accounts.log_out(key(secret))
        response.delete_cookie(COOKIE, path="/inbox")


def set_cookie(request: Request, response: Response, name: str, value: str, age: int) -> None:
    """A cookie that no script can read, and that comes with nothing another site sends but a link."""
    response.set_cookie(
        name,
        value,
        max_age=age,
        path="/inbox",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def sign(secret: str, *about: str) -> str:
    """A token about something, that only who has the secret can make."""
    return hmac.new(secret.encode(), "\0".join(about).encode(), sha256).hexdigest()


def key(secret: str) -> str:
    """Under what a cookie's login is kept: whoever reads the database cannot use it."""
    return sha256(secret.encode()).hexdigest()
