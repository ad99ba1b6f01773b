"""What somebody tries who sends a reviewer a link, writes what they read, or floods the server."""

from __future__ import annotations

import html
import re
import time
from typing import Any
from urllib.parse import quote

import pytest

from hitl_opa.approvals import Person, State
from hitl_opa.errors import ApprovalError, VoteRefused

BIDI = "safe\u202egpj.exe\u2066\u200b\u00ad\x1b[2J\x00"


def plain(page: str) -> str:
    """What people see of it: not the values of what they pick, which go back as they came."""
    return html.unescape(re.sub(r'type="(?:radio|checkbox)" name="q\d+" value="[^"]*"', "", page))


async def test_a_link_cannot_put_words_into_our_mouth(office: Any, rita: Any) -> None:
    lure = "Your login ends. Call 555 0100."
    for page in ("/inbox", "/inbox/grants"):
        for mark in ("", "&mark=", "&mark=0" * 2, "&mark=" + "0" * 64):
            assert lure not in (await rita.get(f"{page}?said={quote(lure)}{mark}")).text
    asked = await office.ask(command="mkdir build/a")
    done = await rita.post("/inbox", "/inbox/several", id=[asked.id], choice="approve")
    assert "1 approved." in (await rita.get(done.headers["location"])).text
    forged = done.headers["location"].replace("1+approved", "2+approved")
    assert "2 approved." not in (await rita.get(forged)).text


async def test_names_of_files_are_as_they_are_written(office: Any, rita: Any) -> None:
    await office.ask("Write", file_path="README.md", content="x")
    assert "README.md" in (await rita.get("/inbox")).text


@pytest.mark.parametrize("where", ["path", "command", "question", "session", "words"])
async def test_nothing_invisible_is_shown(office: Any, browser: Any, rita: Any, where: str) -> None:
    text = BIDI.replace("\x00", "")
    if where == "question":
        option = {"label": text, "description": text}
        other = {"label": "b", "description": ""}
        question = {"question": text, "header": "h", "multiSelect": False, "options": [option, other]}
        asked = await office.ask("AskUserQuestion", questions=[question])
    elif where == "path":
        asked = await office.ask("Write", file_path=f"{office.folder}/{text}", content="x")
    elif where == "command":
        asked = await office.ask(command=f"rm -rf '{text}'")
    else:
        asked = await office.ask(command="mkdir build/a", session=text if where == "session" else "s1")
        if where == "words":
            office.approvals.vote(asked.id, Person(name=text), approves=False, reason=text)
    at = f"/inbox/approvals/{asked.id}"
    for page in (at, "/inbox", "/inbox/history", "/inbox/sessions", f"/inbox/sessions/{quote(asked.session)}"):
        shown = plain((await rita.get(page)).text)
        found = [c for c in "\u202e\u2066\u200b\u00ad\x1b\x00" if c in shown]
        assert found == [], page


async def test_a_refusal_that_repeats_what_the_agent_wrote_shows_it_as_text(office: Any, rita: Any) -> None:
    asked = await office.ask(command="mkdir build/a")
    at = f"/inbox/approvals/{asked.id}"
    evil = '{"command": "rm -rf / \u202e<img src=x>"}'
    page = (await rita.post(at, f"{at}/edit", input=evil)).text
    assert "policy denies" in page
    assert "<img src=x" not in page
    assert "\u202e" not in plain(page)


async def test_a_login_takes_no_flood(browser: Any) -> None:
    one = browser()
    began = time.perf_counter()
    answer = await one.http.post("/inbox/login", data={"name": "rita", "password": "x" * 5_000_000})
    assert answer.status_code == 413
    for length in ("-1", "1e3", "9" * 30, ""):
        headers = {"content-length": length} if length else {"transfer-encoding": "chunked"}
        request = one.http.build_request("POST", "/inbox/login", headers=headers)
        assert (await one.http.send(request)).status_code == 413
    assert time.perf_counter() - began < 5


async def test_a_form_takes_no_flood(office: Any, rita: Any) -> None:
    asked = await office.ask(command="mkdir build/a")
    answer = await rita.decide(asked.id, "approve", reason="x" * 5_000_000)
    assert answer.status_code == 403
    assert office.approvals.get(asked.id).state is State.PENDING


async def test_a_change_of_many_lines_is_shown_quickly(office: Any, rita: Any) -> None:
    """Lines that repeat are what makes comparing slow."""
    lines = [f"{n % 7}\n" for n in range(40_000)]
    for content in ("".join(lines), "".join(reversed(lines))):
        asked = await office.ask("Write", file_path="big.txt", content=content)
        office.approvals.vote(asked.id, Person(name="rita"), approves=True)
    asked = await office.ask("Write", file_path="big.txt", content="".join(lines[7:]) + "end")
    began = time.perf_counter()
    page = (await rita.get(f"/inbox/approvals/{asked.id}")).text
    assert time.perf_counter() - began < 8
    assert "too long to compare" in page


async def test_static_files_are_all_that_is_served(rita: Any) -> None:
    for path in ("../pages.py", "%2e%2e/pages.py", "..%2fpages.py", "....//pages.py", "/etc/passwd", "%2fetc%2fpasswd"):
        answer = await rita.get(f"/inbox/static/{path}")
        assert answer.status_code == 404, path


async def test_a_login_that_was_planted_is_not_taken_over(browser: Any) -> None:
    """Session fixation: whatever a browser holds before is worth nothing afterwards."""
    one = browser()
    one.http.cookies.set("hitl_login", "planted", domain="inbox.test", path="/inbox")
    assert (await one.log_in("rita")).status_code == 303
    assert "planted" not in one.http.cookies.get("hitl_login")
    other = browser()
    other.http.cookies.set("hitl_login", "planted", path="/inbox")
    assert (await other.get("/inbox")).status_code == 303


async def test_who_only_looks_hears_no_more_than_that_something_changed(office: Any) -> None:
    from hitl_opa.server.inbox.changes import Changes

    numbers = iter([1, 2, 2, 2])
    stream = Changes(lambda: next(numbers, 2)).after(0)
    said = [await anext(stream), await anext(stream)]
    await stream.aclose()
    assert said == [": connected\n\n", "id: 2\nevent: changed\ndata: 2\n\n"]


async def test_events_are_for_who_is_logged_in(browser: Any) -> None:
    answer = await browser().get("/inbox/events")
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox/login?next=/inbox/events")


async def test_nobody_takes_a_role_with_a_form(office: Any, browser: Any) -> None:
    vera = browser()
    await vera.log_in("vera")
    page = "/inbox/account"
    more = {"role": "admin", "roles": "admin", "groups": "sre", "account": "rita"}
    await vera.post(page, "/inbox/account/password", old="wrong", new="another long password", **more)
    assert office.accounts.get("vera").role == "viewer"


@pytest.mark.parametrize("name", ["Rita", "RITA", "\uff52ita", "r\u0131ta".replace("\u0131", "i")])
def test_one_person_has_one_account(office: Any, name: str) -> None:
    with pytest.raises(ApprovalError, match="already"):
        office.add(name)


async def test_nobody_approves_for_their_own_agent_by_another_spelling(office: Any) -> None:
    asked = await office.ask(command="mkdir build/a", principal="anna")
    with office.approvals.store.begin() as transaction:
        found = transaction.get(asked.id)
        terms = {"quorum": 2, "approvers": []}
        import msgspec

        transaction.update(found, None, terms=msgspec.structs.replace(found.terms, **terms))
    for name in ("anna", "Anna", "ANNA"):
        with pytest.raises(VoteRefused, match="own agent"):
            office.approvals.vote(asked.id, Person(name=name), approves=True)
    office.approvals.vote(asked.id, Person(name="rita"), approves=True)
    with pytest.raises(VoteRefused, match="voted on this"):
        office.approvals.vote(asked.id, Person(name="RITA"), approves=True)
    assert office.approvals.get(asked.id).state is State.PENDING
