"""What pages show, and that nothing an agent writes can do more than be shown."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

from hitl_opa.server.inbox.changes import Changes
from hitl_opa.server.inbox.pages import HERE, left

EVIL = "<script>alert(1)</script>\"'\x1b[31m\u202e<img src=x onerror=alert(1)>"


async def test_the_queue_says_what_will_happen(office: Any, rita: Any) -> None:
    await office.ask(command="kubectl delete namespace staging")
    office.clock.forward(1)
    await office.ask("Write", file_path="docs/a.md", content="x")
    page = (await rita.get("/inbox")).text
    for words in (
        "2 calls wait",
        "Delete something in a cluster (cannot be undone)",
        "kubectl delete namespace staging",
        "Write docs/a.md",
        "critical risk",
    ):
        assert words in page
    assert page.index("kubectl delete") < page.index("docs/a.md")  # the most urgent first
    newest = (await rita.get("/inbox?order=newest")).text
    assert newest.index("docs/a.md") < newest.index("kubectl delete")
    assert (await rita.get("/inbox?risk=critical")).text.count("<li id=") == 1
    assert (await rita.get("/inbox?text=staging")).text.count("<li id=") == 1
    assert (await rita.get("/inbox?tool=Write")).text.count("<li id=") == 1


async def test_nothing_waits(rita: Any) -> None:
    assert "Nothing waits." in (await rita.get("/inbox")).text


async def test_many_are_paged_and_none_is_left_out(office: Any, rita: Any) -> None:
    ids = {(await office.ask(command=f"mkdir build/{n}")).id for n in range(60)}
    first = (await rita.get("/inbox")).text
    more = first.split('<a class="button" href="')[1].split('"')[0].replace("&amp;", "&")
    second = (await rita.get(more)).text
    shown = {part.split('"')[0] for text in (first, second) for part in text.split('<li id="a-')[1:]}
    assert shown == ids
    assert "60 calls wait" in second


async def test_the_review_page(office: Any, rita: Any) -> None:
    (office.folder / "app.py").write_text("a = 1\nb = 2\n")
    asked = await office.ask("Edit", file_path="app.py", old_string="b = 2", new_string="b = 3")
    page = (await rita.get(f"/inbox/approvals/{asked.id}")).text
    for words in (
        "What will happen",
        "Write app.py",
        ">-b = 2<",
        ">+b = 3<",
        "At autonomy level 1 a human decides every call.",
        "autonomy.suggest-only",
        "written by the agent, unverified",
        "Because the tests passed.",
        "for anna",
    ):
        assert words in page, words
    assert office.approvals.get(asked.id).viewed_at


async def test_a_plan_and_taint_are_shown(office: Any, rita: Any) -> None:
    asked = await office.ask("ExitPlanMode", plan="1. Read\n2. Write")
    assert asked.kind == "plan"
    assert "2. Write" in (await rita.get(f"/inbox/approvals/{asked.id}")).text
    assert "/edit" not in (await rita.get(f"/inbox/approvals/{asked.id}")).text


async def test_the_last_one_like_it_is_beside_it(office: Any, rita: Any) -> None:
    first = await office.ask(command="git push origin feature-1")
    await rita.decide(first.id, "approve", typed=f"approve {first.tool}")
    second = await office.ask(command="git push origin feature-2")
    page = (await rita.get(f"/inbox/approvals/{second.id}")).text
    assert "Compared with the last one that was approved" in page
    assert "-git push origin feature-1" in page
    assert f"/inbox/approvals/{first.id}" in page  # the history


async def test_what_an_agent_writes_is_text(office: Any, rita: Any) -> None:
    asked = await office.ask(f"mcp__x__{EVIL}", a=EVIL, path=EVIL, session=f"s{EVIL}", principal=EVIL)
    pages = [
        (await rita.get(path)).text
        for path in (f"/inbox/approvals/{asked.id}", "/inbox", "/inbox/history", "/inbox/sessions")
    ]
    for page in pages:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "\x1b" not in page
        assert "\u202e" not in page
    assert "&lt;script&gt;" in pages[0]


async def test_a_session_from_its_first_call_on(office: Any, rita: Any) -> None:
    asked = await office.ask(command="pytest -q", session="s 1/ü")
    await rita.decide(asked.id, "reject", reason="Not now.")
    listing = (await rita.get("/inbox/sessions")).text
    link = listing.split('href="/inbox/sessions/')[1].split('"')[0]
    page = (await rita.get(f"/inbox/sessions/{link}")).text
    for words in ("Bash: ask", "rita: reject", "Not now.", "approval denied"):
        assert words in page


async def test_no_such_approval(rita: Any) -> None:
    answer = await rita.get("/inbox/approvals/none")
    assert answer.status_code == 404
    assert "there is no approval" in answer.text


async def test_open_pages_are_told_and_can_catch_up() -> None:
    version = 5
    changes = Changes(lambda: version)
    stream = changes.after(0)
    assert (await anext(stream)).startswith(":")
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    version = 6
    assert await asyncio.wait_for(waiting, 10) == "id: 6\nevent: changed\ndata: 6\n\n"
    late = changes.after(3)  # Last-Event-ID of a page that was away
    await anext(late)
    assert "id: 6" in await anext(late)
    await stream.aclose()
    await late.aclose()
    assert changes._task is None  # nobody listens, nobody looks


def test_assets_are_those_that_were_vendored() -> None:
    """Other people's code, byte for byte as published; ours is reviewed with the rest."""
    kept = json.loads((Path(__file__).parent / "assets.json").read_text())
    found = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in (HERE / "static").iterdir() if f.name in kept}
    assert {f.name for f in (HERE / "static").glob("*.min.*")} <= set(kept)
    assert found == {name: entry["sha256"] for name, entry in kept.items()}


def test_times_in_words() -> None:
    assert [left(s) for s in (0, 1, 59, 60, 3600, 86_400, 200_000)] == [
        "no time", "1 seconds", "59 seconds", "1 minute", "1 hour", "1 day", "2 days",
    ]  # fmt: skip


async def test_how_well_it_works(office: Any, rita: Any) -> None:
    first, second = await office.ask(command="pytest -q"), await office.ask("Write", file_path="a", content="x")
    await rita.decide(first.id, "approve")
    await rita.decide(second.id, "reject", category="missing-context")
    page = (await rita.get("/inbox/effectiveness?by=tool")).text
    for words in ("2 calls", "<svg", "1/2", "50.0 %", "Write", "By tool"):
        assert words in page, words
    assert "rita" in (await rita.get("/inbox/effectiveness?by=reviewer&days=1")).text
    assert "0 calls" in (await rita.get("/inbox/effectiveness?agent=somebody")).text
    assert (await rita.get("/inbox/effectiveness?by=nonsense&days=x")).status_code == 200


async def test_how_much_it_is_trusted(office: Any, rita: Any) -> None:
    await office.ask(command="pytest -q")
    at = "/inbox/effectiveness"
    assert "Nobody has said yet" in (await rita.get(at)).text
    for score in ("2", "4", "17"):
        assert (await rita.post(at, f"{at}/rate", agent="anna", score=score, note="x")).status_code == 303
    assert "4.0 of 5, from 1" in (await rita.get(at)).text
    assert (await rita.http.post(f"{at}/rate", data={"score": "1", "agent": "anna"})).status_code == 403  # no token


async def test_the_ladder_is_shown(office: Any, rita: Any) -> None:
    assert "There is no evidence" in (await rita.get("/inbox/autonomy")).text
    asked = await office.ask(command="pytest -q")
    office.clock.forward(30)
    await rita.decide(asked.id, "reject")
    page = (await rita.get("/inbox/autonomy")).text
    assert "0 of 1 approved unchanged by rita" in page
    assert "None of this is in force" in page


async def test_grants_are_seen_and_revoked(office: Any, browser: Any, rita: Any) -> None:
    from hitl_opa.approvals.grant import Grant

    assert "None stands" in (await rita.get("/inbox/grants")).text
    now = office.clock.seconds()
    given = Grant(
        id="g1", kind="equal", principal="anna", waives=["effects.tier"], reviewer="sue", granted_at=now,
        expires_at=now + 3600, scope="sha256:x", tool="Bash",
    )  # fmt: skip
    office.approvals.grants.add(given)
    page = (await rita.get("/inbox/grants")).text
    assert "effects.tier" in page
    assert "Revoke" not in page  # another reviewer's
    token = (await rita.form("/inbox", "/inbox/logout"))["token"]
    refused = await rita.http.post("/inbox/grants/g1/revoke", data={"token": token})
    assert refused.status_code == 403
    assert len(office.approvals.grants.listed(now)) == 1
    office.add("adam", "admin")
    adam = browser()
    await adam.log_in("adam")
    answer = await adam.post("/inbox/grants", "/inbox/grants/g1/revoke")
    assert answer.status_code == 303
    assert "Revoked." in (await adam.get(answer.headers["location"])).text
    assert office.approvals.grants.listed(now) == []
