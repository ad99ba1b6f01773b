"""Links in mails: looking changes nothing, a form decides once, everything else is refused and on record."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest
from receivers import MailReceiver

from hitl_opa.approvals import Approval, Person, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.letter import Link
from hitl_opa.approvals.letters import Letters
from hitl_opa.audit import AuditLog
from hitl_opa.notify.delivery import Delivery
from hitl_opa.notify.links import Signer
from hitl_opa.notify.review_links import for_browser

KEY = "k" * 32
Asks = Callable[..., Approval]
Serves = Callable[..., httpx.AsyncClient]


@pytest.fixture
def sent(delivers: Callable[..., Delivery], to_mail: Any, mail: MailReceiver) -> Callable[[Approval], Any]:
    """Mails an approval; returns the path of the link that rita got."""

    async def send(asked: Approval) -> str:
        await delivers(to_mail).once()
        (got,) = [got for got in mail.got if got["To"] == "rita@example.com"]
        body = got.get_body(("plain",))
        assert body is not None
        (path,) = re.findall(r"https://hitl.example.com(/\S+/\S+)", body.get_content())
        assert isinstance(path, str)
        return path

    return send


def form(page: httpx.Response) -> str:
    (token,) = re.findall(r'name="form" value="([^"]+)"', page.text)
    assert isinstance(token, str)
    return token


def refused(audit: AuditLog) -> list[str]:
    """Why, of each request that was; policy's own words about votes stand in records of their own."""
    details = [r.payload["detail"] for r in audit.records() if r.kind == "note" and r.payload is not None]
    return [detail["why"] for detail in details if "why" in detail]


async def test_a_look_then_a_form_decides(
    serves: Serves, to_mail: Any, sent: Any, asks: Asks, approvals: Approvals
) -> None:
    asked = asks("rm -rf build")
    path = await sent(asked)
    async with serves(to_mail) as browser:
        page = await browser.get(path)
        assert page.status_code == 200
        assert "delete build" in page.text
        assert "rm -rf build" in page.text
        data = {"form": form(page), "verdict": "approve", "reason": "Fine by me."}
        done = await browser.post(path, data=data)
        assert done.status_code == 303
        after = await browser.get(path.rsplit("/", 1)[0] + "/" + done.headers["location"])
    assert "Approved by rita" in after.text
    assert 'name="form"' not in after.text
    found = approvals.get(asked.id)
    assert (found.state, found.reason) == (State.APPROVED, "Fine by me.")
    assert [(v.reviewer, v.groups) for v in found.votes] == [("rita", [])]


async def test_a_rejection(serves: Serves, to_mail: Any, sent: Any, asks: Asks, approvals: Approvals) -> None:
    asked = asks(approvers=("ops",))
    path = await sent(asked)
    async with serves(to_mail) as browser:
        data = {"form": form(await browser.get(path)), "verdict": "reject", "reason": "Not on a Friday."}
        assert (await browser.post(path, data=data)).status_code == 303
    found = approvals.get(asked.id)
    assert (found.state, found.reason) == (State.DENIED, "Not on a Friday.")


async def test_what_scans_mail_decides_nothing(
    serves: Serves, to_mail: Any, sent: Any, asks: Asks, approvals: Approvals, audit: AuditLog
) -> None:
    asked = asks()
    path = await sent(asked)
    async with serves(to_mail) as browser:
        shown = form(await browser.get(path))
    async with serves(to_mail) as scanner:  # no cookies of anybody's
        assert (await scanner.head(path)).status_code == 405
        assert (await scanner.options(path)).status_code == 405
        assert (await scanner.post(path)).status_code == 403
        assert (await scanner.post(path, data={"form": shown, "verdict": "approve"})).status_code == 403
        assert (await scanner.get(path + "?verdict=approve")).status_code == 200
        for _ in range(3):
            (await scanner.get(path)).raise_for_status()
    assert approvals.get(asked.id) == asked
    async with serves(to_mail) as browser:  # and the link still works
        data = {"form": form(await browser.get(path)), "verdict": "approve"}
        assert (await browser.post(path, data=data)).status_code == 303
    assert len(refused(audit)) == 2


async def test_a_page_has_no_script_and_tells_nobody_its_address(
    serves: Serves, to_mail: Any, sent: Any, asks: Asks
) -> None:
    path = await sent(asks("rm -rf '<script>alert(1)</script>'"))
    async with serves(to_mail) as browser:
        page = await browser.get(path)
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert (page.headers["referrer-policy"], page.headers["cache-control"]) == ("no-referrer", "no-store")
    cookie = page.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "secure", "samesite=lax", "path=/links"))


async def test_said_again_it_is_the_same_and_the_opposite_is_refused(
    serves: Serves, to_mail: Any, sent: Any, asks: Asks, approvals: Approvals
) -> None:
    asked = asks()
    path = await sent(asked)
    async with serves(to_mail) as browser:
        data = {"form": form(await browser.get(path)), "verdict": "approve"}
        assert [(await browser.post(path, data=data)).status_code for _ in range(3)] == [303] * 3
        assert (await browser.post(path, data={**data, "verdict": "reject"})).status_code == 409
    found = approvals.get(asked.id)
    assert (found.state, len(found.votes)) == (State.APPROVED, 1)


@pytest.mark.parametrize("risk", ["high", "critical"])
async def test_high_risk_needs_a_login(
    serves: Serves,
    to_mail: Any,
    sent: Any,
    asks: Asks,
    approvals: Approvals,
    letters: Letters,
    audit: AuditLog,
    risk: str,
) -> None:
    asked = asks(risk=risk)
    path = await sent(asked)
    async with serves(to_mail) as browser:
        page = await browser.get(path)
        assert 'name="form"' not in page.text
        assert f"/inbox/approvals/{asked.id}" in page.text
        # nor with the form of another approval, nor with one that is genuine in every way
        shown = form(await browser.get(await sent_to_rita(letters, asks("rm -rf harmless", "low"))))
        link, _ = Signer([KEY]).read("review-link", path.rsplit("/", 1)[1], 60)
        genuine = Signer([KEY]).sign("link-form", for_browser(link, browser.cookies["hitl_link"]))
        for token in (shown, genuine):
            assert (await browser.post(path, data={"form": token, "verdict": "approve"})).status_code == 403
    assert approvals.get(asked.id).state is State.PENDING
    assert refused(audit)[-1] == f"a call of {risk} risk is decided in the inbox, after logging in"


async def sent_to_rita(letters: Letters, asked: Approval) -> str:
    link = letters.link("some letter", Link(nonce="n1", approval=asked.id, digest=asked.digest, reviewer="rita"))
    return f"/links/{Signer([KEY]).sign('review-link', link)}"


def forged(asked: Approval) -> str:
    link = Link(nonce="n", approval=asked.id, digest=asked.digest, reviewer="rita")
    return Signer(["x" * 32]).sign("review-link", link)


def of_another_purpose(asked: Approval) -> str:
    link = Link(nonce="n", approval=asked.id, digest=asked.digest, reviewer="rita")
    return Signer([KEY]).sign("slack-button", link)


def signed_and_never_sent(asked: Approval) -> str:
    link = Link(nonce="n", approval=asked.id, digest=asked.digest, reviewer="rita")
    return Signer([KEY]).sign("review-link", link)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (forged, "its signature is not ours"),
        (of_another_purpose, "its signature is not ours"),
        (signed_and_never_sent, "no such link was sent"),
        (lambda _: "junk", "its signature is not ours"),
        (lambda _: "a" * 5_000, "its signature is not ours"),
    ],
)
async def test_links_that_are_not_genuine(
    serves: Serves, to_mail: Any, asks: Asks, audit: AuditLog, make: Callable[[Approval], str], why: str
) -> None:
    asked = asks()
    async with serves(to_mail) as browser:
        for answer in (
            await browser.get(f"/links/{make(asked)}"),
            await browser.post(f"/links/{make(asked)}", data={"verdict": "approve"}),
        ):
            assert answer.status_code == 403
            assert "This link does not work" in answer.text
    assert refused(audit) == [why, why]


async def test_a_link_for_somebody_else_cannot_be_made_of_ones_own(
    serves: Serves, to_mail: Any, asks: Asks, letters: Letters, approvals: Approvals, audit: AuditLog
) -> None:
    asked = asks(approvers=("sec",))
    path = await sent_to_rita(letters, asked)
    stolen = Signer([KEY]).sign(  # even with the key: the row says whose it is
        "review-link", Link(nonce="n1", approval=asked.id, digest=asked.digest, reviewer="omar")
    )
    async with serves(to_mail) as browser:
        assert (await browser.get(f"/links/{stolen}")).status_code == 403
        data = {"form": form(await browser.get(path)), "verdict": "approve"}
        assert (await browser.post(path, data=data)).status_code == 409  # rita is not of sec
    assert approvals.get(asked.id).votes == []
    assert refused(audit)[0] == "no such link was sent"


async def test_a_link_of_long_ago(
    serves: Serves, to_mail: Any, sent: Any, asks: Asks, audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await sent(asks())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 32 * 24 * 3600)
    async with serves(to_mail) as browser:
        assert (await browser.get(path)).status_code == 403
    assert refused(audit) == ["it is too old, or the clocks of two machines differ"]


async def test_a_form_that_was_looked_at_too_long(
    serves: Serves, to_mail: Any, sent: Any, asks: Asks, approvals: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asks()
    path = await sent(asked)
    async with serves(to_mail) as browser:
        data = {"form": form(await browser.get(path)), "verdict": "approve"}
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 3_700)
        assert (await browser.post(path, data=data)).status_code == 403
    assert approvals.get(asked.id).state is State.PENDING


async def test_an_approval_that_is_over_is_shown_and_cannot_be_decided(
    serves: Serves, to_mail: Any, sent: Any, asks: Asks, approvals: Approvals, clock: Any
) -> None:
    asked = asks(expires_in=60)
    path = await sent(asked)
    async with serves(to_mail) as browser:
        data = {"form": form(await browser.get(path)), "verdict": "approve"}
        clock.forward(61)
        assert "nobody decided in time" in (await browser.get(path)).text
        assert (await browser.post(path, data=data)).status_code == 409
    assert approvals.get(asked.id).state is State.EXPIRED


async def test_a_call_that_was_edited_since_is_another(
    serves: Serves, to_mail: Any, sent: Any, asks: Asks, approvals: Approvals, audit: AuditLog
) -> None:
    asked = asks("rm -rf build", quorum=2)
    path = await sent(asked)
    async with serves(to_mail) as browser:
        data = {"form": form(await browser.get(path)), "verdict": "approve"}
        approvals.edit(asked.id, Person(name="omar"), {"command": "rm -rf build/cache"}, channel="inbox")
        assert (await browser.get(path)).status_code == 403
        assert (await browser.post(path, data=data)).status_code == 403
    assert [v.reviewer for v in approvals.get(asked.id).votes] == ["omar"]
    assert refused(audit) == ["the call has changed since this was sent: open the inbox"] * 2


async def test_junk_in_a_form_is_refused(serves: Serves, to_mail: Any, sent: Any, asks: Asks) -> None:
    path = await sent(asks())
    async with serves(to_mail) as browser:
        shown = form(await browser.get(path))
        for body in (b"", b"\xff\xfe", b"form=x&verdict=approve", f"form={shown}&verdict=maybe".encode(), b"&" * 100):
            assert (await browser.post(path, content=body)).status_code == 403
        assert (await browser.post(path, content=b"x" * 2_000_000)).status_code == 403
