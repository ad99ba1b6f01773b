"""Who gets in, for how long, and what a stranger can do: nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

import pytest

PASSWORD = "correct horse battery"
PAGES = ["/inbox", "/inbox/history", "/inbox/sessions", "/inbox/account", "/inbox/approvals/x", "/inbox/events"]


@pytest.mark.parametrize("page", PAGES)
async def test_pages_are_for_who_is_logged_in(browser: Any, page: str) -> None:
    answer = await browser().get(page)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/inbox/login?next=/inbox")


async def test_a_password_opens_a_login(rita: Any) -> None:
    page = await rita.get("/inbox")
    assert page.status_code == 200
    assert "rita" in page.text


async def test_the_cookie_is_out_of_reach(browser: Any) -> None:
    for scheme, secure in [("http", False), ("https", True)]:
        answer = await browser(scheme).log_in("rita")
        cookie = next(
            c
            for c in answer.headers.get_list("set-cookie")
            if c.startswith("hitl_login=") and "Max-Age=0" not in c and '=""' not in c
        )
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Path=/inbox" in cookie
        assert ("Secure" in cookie) is secure


@pytest.mark.parametrize(("name", "password"), [("rita", "wrong"), ("nobody", PASSWORD), ("", ""), ("rita", "")])
async def test_anything_else_does_not(office: Any, browser: Any, name: str, password: str) -> None:
    answer = await browser().log_in(name, password)
    assert answer.status_code == 403
    assert "not a name and password that go together" in answer.text
    noted = [r for r in office.guard.audit.records() if r.get("extra", {}).get("refused") == "login"]
    assert [r.get("reviewer") for r in noted] == [name]


async def test_guessing_is_slowed_down(browser: Any) -> None:
    one = browser()
    for _ in range(8):
        await one.log_in("rita", "wrong")
    answer = await one.log_in("rita")
    assert answer.status_code == 429
    assert "wait five minutes" in answer.text


async def test_a_login_form_of_another_browser_is_refused(office: Any, browser: Any) -> None:
    mine, theirs = browser(), browser()
    page = await theirs.get("/inbox/login")
    token = page.text.split('name="token" value="')[1].split('"')[0]
    await mine.get("/inbox/login")
    answer = await mine.http.post("/inbox/login", data={"token": token, "name": "rita", "password": PASSWORD})
    assert answer.status_code == 403
    assert "too old" in answer.text


@pytest.mark.parametrize(
    "onward", ["https://evil.example/", "//evil.example", "/inbox//evil", "\\\\evil", "/admin", "javascript:x"]
)
async def test_it_never_sends_anybody_away(browser: Any, onward: str) -> None:
    one = browser()
    page = await one.get("/inbox/login")
    token = page.text.split('name="token" value="')[1].split('"')[0]
    answer = await one.http.post(
        "/inbox/login", data={"token": token, "next": onward, "name": "rita", "password": PASSWORD}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox")


async def test_logins_end(office: Any, browser: Any) -> None:
    async def inside(one: Any) -> bool:
        return (await one.get("/inbox")).status_code == 200

    one = browser()
    await one.log_in("rita")
    office.clock.forward(3000)
    assert await inside(one)
    office.clock.forward(3700)  # nobody looked for over an hour
    assert not await inside(one)
    await one.log_in("rita")
    for _ in range(13):
        office.clock.forward(3500)
        await one.get("/inbox")
    assert not await inside(one)  # twelve hours are over, however busy they were


async def test_logging_out_ends_it_on_the_server(office: Any, rita: Any) -> None:
    secret = rita.http.cookies["hitl_login"]
    assert (await rita.post("/inbox", "/inbox/logout")).status_code == 303
    rita.http.cookies.set("hitl_login", secret, path="/inbox")
    assert (await rita.get("/inbox")).status_code == 303


async def test_who_is_disabled_is_out_at_once(office: Any, rita: Any) -> None:
    office.accounts.change("rita", disabled=True)
    assert (await rita.get("/inbox")).status_code == 303
    assert (await rita.log_in("rita")).status_code == 403


async def test_another_password_ends_all_logins(office: Any, browser: Any) -> None:
    here, there = browser(), browser()
    await here.log_in("rita")
    await there.log_in("rita")
    short = await here.post("/inbox/account", "/inbox/account/password", old=PASSWORD, new="short")
    assert "at least 10 characters" in short.text
    wrong = await here.post("/inbox/account", "/inbox/account/password", old="no", new="another long password")
    assert wrong.status_code == 403
    done = await here.post("/inbox/account", "/inbox/account/password", old=PASSWORD, new="another long password")
    assert done.status_code == 303
    for one in (here, there):
        assert (await one.get("/inbox")).status_code == 303
    assert (await here.log_in("rita", "another long password")).status_code == 303


async def test_the_database_holds_nothing_that_logs_in(office: Any, rita: Any) -> None:
    with contextlib.closing(sqlite3.connect(office.folder / ".hitl" / "hitl.db")) as database:
        content = "\n".join(database.iterdump())
    assert rita.http.cookies["hitl_login"] not in content
    assert PASSWORD not in content
    assert "$argon2id$" in content


async def test_headers_of_every_page(rita: Any) -> None:
    for path in ("/inbox", "/inbox/login", "/inbox/account", "/inbox/approvals/none"):
        headers = (await rita.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
