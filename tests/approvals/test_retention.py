"""Old approvals that are over go with all that hangs on them; what is not over stays, however old."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sql
from doubles import ask

from hitl_opa.approvals import Approval, Person, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.letters import Letters
from hitl_opa.approvals.outbox import Outbox
from hitl_opa.approvals.retention import AT_ONCE, OVER, Pruned, old, prune
from hitl_opa.approvals.tables import METADATA
from hitl_opa.approvals.transcripts import Place, Transcripts
from hitl_opa.model import Agent, CallFacts, Decision, Document

RITA = Person(name="rita")
DAY = 86_400.0


def request(approvals: Approvals, number: int, session: str = "s1") -> Approval:
    document = Document(
        call=CallFacts(id=f"c{number}", tool="Bash", kind="shell", input={"command": f"echo {number}"}),
        agent=Agent(session=session, principal="anna"),
    )
    return approvals.request(f"sha256:{number}", document, msgspec.json.decode(ask(), type=Decision), f"d{number}")


def rows(approvals: Approvals) -> dict[str, int]:
    with approvals.store.reading() as connection:
        return {
            table.name: connection.execute(sql.select(sql.func.count()).select_from(table)).scalar() or 0
            for table in METADATA.tables.values()
        }


def test_what_is_over_goes_whole(approvals: Approvals, clock: Any) -> None:
    store = approvals.store
    letters = Letters(store, clock=lambda: clock().timestamp())
    for number in range(3):
        found = request(approvals, number)
        letters.address([(found.id, 0, [("ops", "")])])
        approvals.vote(found.id, RITA, approves=False)
    letters.gather(0.0)
    recorded = sum(1 for _ in approvals.store.audit.records())
    clock.forward(2 * DAY)
    waiting = request(approvals, 9, session="s2")
    limit = clock().timestamp() - DAY / 2
    assert old(store, limit) == 3
    assert prune(store, limit) == Pruned(approvals=3, letters=1)
    assert prune(store, limit) == Pruned()
    left = {name: count for name, count in rows(approvals).items() if count}
    assert left == {"approval": 1, "approval_job": 1}
    assert approvals.get(waiting.id).state is State.PENDING
    assert sum(1 for _ in approvals.store.audit.records()) == recorded + 1  # the request above


def test_what_is_not_over_stays_however_old(approvals: Approvals, clock: Any) -> None:
    parked, approved, used = (request(approvals, number) for number in range(3))
    for each in (approved, used):
        approvals.vote(each.id, RITA, approves=True)
    approvals.consume(used.id, used.digest)
    clock.forward(400 * DAY)
    assert old(approvals.store, clock().timestamp()) == 0
    approvals.tick()
    assert approvals.get(used.id).state is State.UNKNOWN
    assert {approvals.get(each.id).state for each in (parked, approved)} <= OVER
    assert prune(approvals.store, clock().timestamp() + DAY).approvals == 2
    assert approvals.get(used.id).state is State.UNKNOWN


def test_a_denial_that_still_holds_stays(approvals: Approvals, clock: Any) -> None:
    found = request(approvals, 1)
    approvals.vote(found.id, RITA, approves=False)
    clock.forward(60)
    assert prune(approvals.store, clock().timestamp()).approvals == 0
    assert approvals.get(found.id).state is State.DENIED


def test_many_go_in_several_transactions(approvals: Approvals, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hitl_opa.approvals.retention.AT_ONCE", 2)
    assert AT_ONCE > 2
    for number in range(5):
        approvals.cancel(request(approvals, number).id, "rita")
    clock.forward(30 * DAY)
    assert prune(approvals.store, clock().timestamp()).approvals == 5
    assert Outbox(approvals.store).jobs() == []


def test_transcripts_go_when_nothing_of_their_session_is_left(approvals: Approvals, clock: Any) -> None:
    transcripts = Transcripts(approvals.store)
    for session in ("over", "waits", "goes-on"):
        transcripts.append(Place(project="p", session=session), [("e1", "{}")], clock().timestamp())
    approvals.cancel(request(approvals, 1, session="over").id, "rita")
    used = request(approvals, 2, session="waits")
    approvals.vote(used.id, RITA, approves=True)
    approvals.consume(used.id, used.digest)
    clock.forward(30 * DAY)
    transcripts.append(Place(project="p", session="goes-on"), [("e2", "{}")], clock().timestamp())
    assert prune(approvals.store, clock().timestamp() - DAY) == Pruned(approvals=1, transcripts=1)
    assert transcripts.load(Place(project="p", session="over")) == []
    assert [len(transcripts.load(Place(project="p", session=s))) for s in ("waits", "goes-on")] == [1, 2]
