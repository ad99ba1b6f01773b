"""``/links/…``: the one page that a link in a mail opens. GET shows, POST decides."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hitl_opa.approvals import Approval
from hitl_opa.approvals.letter import Link
from hitl_opa.approvals.letters import Letters
from hitl_opa.errors import ApprovalError, HitlError, NotifyError
from hitl_opa.notify import pages
from hitl_opa.notify.decider import Decider
from hitl_opa.notify.links import Signer
from hitl_opa.notify.message import item, review_url
from hitl_opa.notify.refusals import Refusals
from hitl_opa.notify.request import address_of, body_of
from hitl_opa.notify.transports import Transports

COOKIE = "hitl_link"
FORM_AGE = 3600.0  # seconds from looking to deciding
MAX_AGE = 31 * 24 * 3600.0  # seconds; the approval's own clock ends it before
MAX_TOKEN = 1_000  # characters
WHAT: Final = "review-link"


class ReviewLinks:
    """The endpoint. Whoever scans mails gets here too: a look changes nothing and uses nothing up, and a
    decision takes a form that was shown to the same browser."""

    def __init__(self, decider: Decider, transports: Transports, letters: Letters, refusals: Refusals) -> None:
        self._decider = decider
        self._transports = transports
        self._base = transports.settings.base_url.rstrip("/")
        self._letters = letters
        self._refusals = refusals

    async def opened(self, request: Request) -> Response:
        token = request.path_params["token"]
        if request.method not in ("GET", "POST"):
            return Response(status_code=405, headers={"allow": "GET, POST"})
        try:
            if request.method == "GET":
                return await self._decider.run(self._show, request, token)
            body = await body_of(request)
            return await self._decider.run(self._decide, request, token, body)
        except NotifyError as error:
            words = f"This link decides nothing: {error}."
            await self._decider.run(self._refusals.record, WHAT, str(error), address=address_of(request))
            return self._page(pages.problem("This link does not work", words, f"{self._base}/inbox"), 403)
        except ApprovalError as error:
            await self._decider.run(self._refusals.record, WHAT, str(error), address=address_of(request))
            return self._page(pages.problem("Not decided", str(error), f"{self._base}/inbox"), 409)
        except HitlError:
            words = "Nothing was decided: what waits cannot be read or written now. Try again in a while."
            return self._page(pages.problem("Try again", words, f"{self._base}/inbox"), 503)

    def _show(self, request: Request, token: str) -> Response:
        link, approval = self._opened(token)
        form, cookie = "", request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
        shown = item(approval, self._base)
        voted = any(vote.reviewer == link.reviewer for vote in approval.votes)
        if shown.waits and shown.direct and not voted:
            form = self._signer().sign("link-form", for_browser(link, cookie))
        inbox = review_url(self._base, approval.id)
        answer = self._page(pages.review(approval, shown, link.reviewer, form, inbox))
        if form:
            answer.set_cookie(
                COOKIE,
                cookie,
                max_age=int(FORM_AGE),
                path="/links",
                secure=self._base.startswith("https:"),
                httponly=True,
                samesite="lax",
            )
        return answer

    def _decide(self, request: Request, token: str, body: bytes) -> Response:
        link, approval = self._opened(token)
        fields = _fields(body)
        cookie = request.cookies.get(COOKIE, "")
        shown, shown_at = self._signer().read("link-form", fields.get("form", ""), FORM_AGE)
        if not cookie or shown != for_browser(link, cookie):
            raise NotifyError("the form was shown to another browser, or cookies are off")
        if fields.get("verdict") not in ("approve", "reject"):
            raise NotifyError("the form says neither approve nor reject")
        self._decider.vote(
            approval,
            link.reviewer,
            approves=fields["verdict"] == "approve",
            reason=fields.get("reason", "")[:2_000],
            auth="link",
            channel="email",
            look_ms=(int(time.time()) - shown_at) * 1000,
        )
        return RedirectResponse(token, 303, headers=pages.HEADERS)  # relative: proxies may have moved this server

    def _opened(self, token: str) -> tuple[Link, Approval]:
        """What the link is about. Signature and row must agree: a key that leaked opens nothing by itself."""
        if len(token) > MAX_TOKEN:
            raise NotifyError("its signature is not ours")
        link, _ = self._signer().read(WHAT, token, MAX_AGE)
        if self._letters.known(link.nonce) != link:
            raise NotifyError("no such link was sent")
        return link, self._decider.waiting(link.approval, link.digest)

    def _signer(self) -> Signer:
        return Signer(self._transports.secrets(self._transports.settings.keys))

    def _page(self, html: str, status: int = 200) -> HTMLResponse:
        return HTMLResponse(html, status, headers=pages.HEADERS)


def for_browser(link: Link, cookie: str) -> Link:
    """What a form says: the same as the link, bound to the cookie of the browser that was shown it."""
    return Link(
        approval=link.approval,
        digest=link.digest,
        reviewer=link.reviewer,
        nonce=hashlib.sha256(f"{link.nonce} {cookie}".encode()).hexdigest(),
    )


def _fields(body: bytes) -> dict[str, str]:
    try:
        return {name: values[-1] for name, values in parse_qs(body.decode(), max_num_fields=10).items()}
    except ValueError:
        raise NotifyError("the form cannot be read") from None
