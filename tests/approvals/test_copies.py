"""Erasure reaches what holds the same payload as the record: approvals, votes, grants, messages, transcripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from doubles import ask

from hitl_opa.approvals import Approval, Person, Query, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.copies import Copies
from hitl_opa.approvals.letters import Letters
from hitl_opa.approvals.tables import METADATA
from hitl_opa.approvals.transcripts import Place, Transcripts
from hitl_opa.audit import AuditLog, Filter
from hitl_opa.audit.erasure import Erased, erase
from hitl_opa.guard import Guard
from hitl_opa.model import Session, ToolCall
from hitl_opa.notify.message import item

NEEDLE = "ada-lives-at-12-st-james-square"
RITA = Person(name="rita", roles=frozenset({"reviewer"}))


async def asks(
    guard: Guard, approvals: Approvals, session: str, principal: str = "anna", what: str = NEEDLE
) -> Approval:
    before = {a.id for a in approvals.search()}
    call = ToolCall(
        tool="Bash",
        input={"command": f"echo {what} {session}"},
        cwd="/w",
        session=Session(id=session, principal=principal),
    )
    await guard.resolve(await guard.rule(call), None, f"{what} asked for it.")
    (new,) = [a for a in approvals.search() if a.id not in before]
    return new


def texts(approvals: Approvals) -> str:
    """All that stands in the tables beside the record, and in the record's own."""
    found = []
    with approvals.store.reading() as connection:
        for table in [*METADATA.sorted_tables, sql.table("audit_leaf", sql.column("leaf"), sql.column("payload"))]:
            found += [str(tuple(row)) for row in connection.execute(sql.select(table))]
    return "\n".join(found)


def erased(approvals: Approvals, **only: Any) -> Erased:
    audit = approvals.store.audit
    wanted = Filter(**only)
    return erase(audit, wanted, by="olga", within=Copies(approvals.store, wanted).within)


@pytest.fixture
def guard(make_guard: Callable[..., Guard]) -> Guard:
    return make_guard(ask("medium"))


@pytest.fixture
def place() -> Place:
    return Place(project="p", session="s1")


async def test_nothing_of_a_session_is_left(guard: Guard, approvals: Approvals, place: Place, audit: AuditLog) -> None:
    waits = await asks(guard, approvals, "s1")
    edited = await asks(guard, approvals, "s1", what=f"{NEEDLE}-2")
    approvals.edit(edited.id, RITA, {"command": f"echo {NEEDLE}"}, reason=f"better {NEEDLE}")
    given = await asks(guard, approvals, "s1", what=f"{NEEDLE}-3")
    approvals.vote(given.id, RITA, approves=True, reason=NEEDLE)
    grant = approvals.grant(given.id, RITA, seconds=3_600)
    other = await asks(guard, approvals, "s2", what="kept")
    Transcripts(approvals.store).append(place, [("1", NEEDLE), ("2", "x")], 5.0)
    Transcripts(approvals.store).append(Place(project="p", session="s2"), [("1", "kept")], 5.0)
    assert NEEDLE in texts(approvals)
    done = erased(approvals, session="s1")
    assert (done.count > 0, done.copies) == (True, 3 + 2)
    left = texts(approvals)
    assert NEEDLE not in left
    if "://" not in audit.path:
        assert done.scrubbed
        path = Path(audit.path)
        assert NEEDLE.encode() not in b"".join(f.read_bytes() for f in path.parent.glob(f"{path.name}*"))
    assert "kept" in left
    assert approvals.get(other.id).state is State.PENDING
    assert [approvals.get(a.id).state for a in (waits, edited, given)] == [State.CANCELLED] * 3
    assert grant.id not in {one.id for one in approvals.grants.listed(0.0)}
    assert Transcripts(approvals.store).load(place) == []
    report = audit.verify()
    assert report.ok
    (note,) = [r for r in audit.records() if r.kind == "erasure"]
    assert note.get("extra")["copies"] == 5


async def test_what_is_left_can_still_be_looked_at(guard: Guard, approvals: Approvals) -> None:
    from hitl_opa.approvals.shown import full
    from hitl_opa.cli.telling_approvals import tell

    asked = await asks(guard, approvals, "s1")
    approvals.vote(asked.id, RITA, approves=False, reason=NEEDLE)
    erased(approvals, principal="anna")
    found = approvals.get(asked.id)
    assert (found.state, found.erased, found.reviewers) == (State.DENIED, True, "rita")
    assert full(found)["decision"]["reason"] == "What was asked was erased."
    assert item(found, "http://x").what == [("What was asked was erased.", True)]
    tell(found)
    assert approvals.search(Query(text=NEEDLE)) == []


async def test_a_message_that_can_be_changed_is_brought_up_to_date(guard: Guard, approvals: Approvals) -> None:
    asked = await asks(guard, approvals, "s1")
    letters = Letters(approvals.store, clock=lambda: 1e10)
    letters.address([(asked.id, 0, [("slack", "")])])
    letters.gather(0)
    (letter,) = letters.due()
    letters.sent(letter.id, {"ts": "1"}, "print")
    approvals.vote(asked.id, RITA, approves=False)
    letters.current(letter.id, letter.stamp, closed=True)
    assert letters.due() == []
    erased(approvals, session="s1")
    (again,) = letters.due()
    assert (again.id, again.ref, again.shown) == (letter.id, {"ts": "1"}, "")


async def test_what_was_erased_in_the_record_alone_is_caught_up_with(guard: Guard, approvals: Approvals) -> None:
    asked = await asks(guard, approvals, "s1")
    erase(approvals.store.audit, Filter(session="s1"), by="olga")
    assert NEEDLE in str(approvals.get(asked.id).document)
    assert erased(approvals, session="s1").copies == 1
    assert approvals.get(asked.id).erased
    assert erased(approvals, session="s1").copies == 0


async def test_retention_leaves_the_transcript_of_a_session_that_goes_on(
    guard: Guard, approvals: Approvals, place: Place
) -> None:
    await asks(guard, approvals, "s1")
    transcripts = Transcripts(approvals.store)
    transcripts.append(place, [("1", "old")], 1_000.0)
    transcripts.append(place, [("2", "new")], 4e9)
    assert erased(approvals, before="2090-01-01T00:00:00Z").copies == 1
    assert transcripts.load(place) == ["old", "new"]
    transcripts.append(Place(project="p", session="s3"), [("1", "x")], 1_000.0)
    await asks(guard, approvals, "s3")
    assert erased(approvals, before="2090-01-01T00:00:00Z").copies == 2


async def test_what_cannot_be_recorded_erases_nothing(
    guard: Guard, approvals: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await asks(guard, approvals, "s1")

    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("full")

    with monkeypatch.context() as patched:
        patched.setattr(approvals.store.audit, "append", fails)
        with pytest.raises(RuntimeError, match="full"):
            erased(approvals, session="s1")
    assert not approvals.get(asked.id).erased
    assert approvals.get(asked.id).state is State.PENDING
