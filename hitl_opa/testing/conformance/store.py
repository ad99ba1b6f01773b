"""What a database must do that holds the record and the approvals. Inherit, and hand in an empty one:

    class TestMyDatabase(StoreConformance):
        @pytest.fixture
        def database(self):
            return "postgresql://…"      # or the path of a file that is not there yet

Needs pytest. Each test wants a database of its own. Processes are started, and killed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import msgspec
import pytest

from hitl_opa.approvals import Approval, Person, Query, State
from hitl_opa.approvals.approval import ORDERS
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.job import NOTIFY, RESUME
from hitl_opa.approvals.outbox import Outbox
from hitl_opa.audit import AuditLog, Event, Filter, Kind, verify
from hitl_opa.errors import ApprovalError, AuditBusy, AuditError
from hitl_opa.model import (
    Agent,
    Ballot,
    CallFacts,
    Decision,
    Document,
    Judgement,
    Obligation,
    Policy,
    Redecided,
    Risk,
    Verdict,
)

DECISION = Decision(
    verdict=Verdict.ASK,
    risk=Risk.HIGH,
    reason="It deploys.",
    obligations=[Obligation(id="a", type="approval", properties={"permission": "confirm", "quorum": 1})],
    policy=Policy(revision="r"),
)

# Appends until it is killed; prints each place only after it has its receipt
WRITER = """
import sys
from hitl_opa.audit import AuditLog, Event, Kind
with AuditLog.open(sys.argv[1], timeout=60) as log:
    for number in range(int(sys.argv[2])):
        receipt = log.append(Event(kind=Kind.DECISION, decision_id=f"d{number}", input={"x": "y" * (number % 700)}))
        print(receipt.stream, receipt.seq, receipt.leaf_hash, flush=True)
"""


class FirstWord:
    """A referee to whom everybody's word counts, and the first one decides."""

    def judge(self, ballot: Ballot) -> Judgement:
        return Judgement(counts=True, rule="", reason="", outcome="approved" if ballot.approves else "denied")

    def redecide(self, document: Document, input: dict[str, Any], *, canary: bool = False) -> Redecided:
        raise NotImplementedError("nothing is edited here")


def event(number: int, **fields: Any) -> Event:
    """A decision to record."""
    return Event(kind=Kind.DECISION, decision_id=f"d{number}", **{"tool": "Bash", "input": {"n": number}, **fields})


def ask(approvals: Approvals, number: int = 0) -> Approval:
    """An approval of a call that nobody asked for before."""
    document = Document(
        call=CallFacts(id=f"c{number}", tool="Bash", kind="shell", input={"command": f"make-{number}"}),
        agent=Agent(session=f"s{number}", principal="anna"),
    )
    return approvals.request(f"sha256:{number}", document, DECISION, f"d{number}")


def opened(audit: AuditLog) -> Approvals:
    """The approvals beside this record."""
    return Approvals.open(audit, redact=lambda value: value, referee=FirstWord())


class StoreConformance:
    """The suite; see the module."""

    @pytest.fixture
    def database(self) -> str:
        raise NotImplementedError("hand in the name of an empty database")

    @pytest.fixture
    def log(self, database: str) -> Iterator[AuditLog]:
        with AuditLog.open(database, timeout=60) as log:
            yield log

    @pytest.fixture
    def approvals(self, log: AuditLog) -> Approvals:
        return opened(log)

    # --- the record

    def test_what_is_appended_is_read_back_in_order_and_verifies(self, database: str, log: AuditLog) -> None:
        receipts = [log.append(event(number, result={"é": "日本 \x00 🙂"})) for number in range(20)]
        with AuditLog.open(database, readonly=True) as reader:
            records = list(reader.records())
            assert [record.leaf["decision_id"] for record in records] == [f"d{number}" for number in range(20)]
            assert [(r.stream, r.seq) for r in records] == [(r.stream, r.seq) for r in receipts]
            assert records[3].payload == {"input": {"n": 3}, "result": {"é": "日本 \x00 🙂"}}
            assert [r.seq for r in reader.tail(3)] == [17, 18, 19]
            assert [r.seq for r in reader.records(Filter(decision_id="d7", tool="Bash"))] == [7]
            assert [r.seq for r in reader.records(Filter(text="BASH", decision_id="d19"))] == [19]
            assert reader.verify().ok
            assert verify(reader.export()).ok
            with pytest.raises(AuditError, match="opened to be read"):
                reader.append(event(0))

    def test_an_empty_database_is_no_record(self, database: str) -> None:
        with pytest.raises(AuditError):
            AuditLog.open(database, readonly=True)

    def test_threads_lose_nothing(self, log: AuditLog) -> None:
        with ThreadPoolExecutor(8) as pool:
            receipts = list(pool.map(lambda number: log.append(event(number)), range(100)))
        recorded = {record.seq: record.leaf["decision_id"] for record in log.records()}
        assert [recorded[receipt.seq] for receipt in receipts] == [f"d{number}" for number in range(100)]
        assert log.verify().ok

    def test_killed_in_mid_write_no_acknowledged_record_is_lost(self, database: str) -> None:
        acknowledged: set[tuple[str, int]] = set()
        for round in range(3):
            writers = [_writer(database, 10**9) for _ in range(2)]  # they race to make the tables, too
            for writer in writers:
                assert writer.stdout is not None
                lines = [writer.stdout.readline() for _ in range(5 + round)]
                writer.send_signal(signal.SIGKILL)
                lines += writer.communicate()[0].splitlines(keepends=True)
                whole = [line.split() for line in lines if line.endswith("\n")]
                acknowledged |= {(stream, int(seq)) for stream, seq, _ in whole}
        with AuditLog.open(database) as log:
            assert acknowledged <= {(record.stream, record.seq) for record in log.records()}
            assert len(acknowledged) >= 30
            assert log.verify().ok

    def test_whoever_follows_misses_nothing_that_commits_late(self, database: str, log: AuditLog) -> None:
        """A transaction that writes early and commits late is seen, whatever others write meanwhile."""
        log.append(event(0))
        follower = log.tail(1, follow=True)
        assert next(follower).seq == 0
        with AuditLog.open(database, timeout=60) as other:
            ours = threading.Thread(target=lambda: [log.append(event(number)) for number in range(1, 4)])
            with other.transaction() as cursor:
                other.append(event(10), cursor=cursor)
                ours.start()
                ours.join(0.2)
            ours.join()
            seen = [record.leaf["decision_id"] for record in islice(follower, 4)]
        assert seen == ["d10", "d1", "d2", "d3"]
        assert [record.leaf["decision_id"] for record in log.records()] == ["d0", *seen]

    def test_a_transaction_takes_its_records_with_it(self, log: AuditLog) -> None:
        def fails() -> None:
            with log.transaction() as cursor:
                log.append(event(1), cursor=cursor)
                raise KeyError("after it was written")

        with pytest.raises(KeyError):
            fails()
        with log.transaction() as cursor:
            log.append(event(2), cursor=cursor)
            log.append(event(3), cursor=cursor)
        assert [(r.seq, r.leaf["decision_id"]) for r in log.records()] == [(0, "d2"), (1, "d3")]
        assert log.verify().ok

    def test_a_writer_that_does_not_let_go_is_said_to_be_busy(self, database: str, log: AuditLog) -> None:
        with AuditLog.open(database, timeout=0.05) as other:
            with log.transaction() as cursor:
                log.append(event(1), cursor=cursor)
                with pytest.raises(AuditBusy, match="locked by another"):
                    other.append(event(2))
                with pytest.raises(AuditBusy, match="locked by another"):
                    other.write([other.seal(event(2))], timeout=0)
            assert other.append(event(3)).seq == 0
        assert log.verify().ok

    def test_what_was_changed_is_found(self, database: str, log: AuditLog) -> None:
        for number in range(5):
            log.append(event(number))
        with log.transaction() as cursor:
            cursor.execute("UPDATE audit_leaf SET leaf = replace(leaf, 'Bash', 'Read') WHERE seq = 2")
        with AuditLog.open(database, readonly=True) as reader:
            assert [problem.seq for problem in reader.verify().problems] == [2]
        with log.transaction() as cursor:
            cursor.execute("DELETE FROM audit_leaf WHERE seq = 4")
            cursor.execute("UPDATE audit_stream SET size = 4")
        with pytest.raises(AuditError, match="somebody removed some"):
            log.append(event(9))

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
    def test_a_forked_child_has_connections_of_its_own(self, log: AuditLog, approvals: Approvals) -> None:
        log.append(event(0))
        asked = ask(approvals)
        child = multiprocessing.get_context("fork").Process(
            target=lambda: (log.append(event(1)), approvals.vote(asked.id, Person(name="rita"), approves=True))
        )
        child.start()
        child.join()
        assert child.exitcode == 0
        log.append(event(2))
        assert approvals.get(asked.id).state is State.APPROVED
        assert len(log.verify().streams) == 2
        assert log.verify().ok

    # --- approvals

    def test_an_approval_is_kept_as_it_is(self, approvals: Approvals) -> None:
        asked = ask(approvals)
        given = approvals.vote(asked.id, Person(name="rita", groups=frozenset({"sre"})), approves=True, reason="Göö")
        assert msgspec.structs.replace(given, state=asked.state, votes=[], decided_at=0.0, execution_expires_at=0.0,
                                       reason="") == asked  # fmt: skip
        assert [(v.reviewer, v.approves, v.reason) for v in given.votes] == [("rita", True, "Göö")]
        assert approvals.get(asked.id) == given
        assert approvals.counts() == {State.APPROVED: 1}

    def test_equal_calls_that_ask_at_the_same_time_find_one_approval(self, approvals: Approvals) -> None:
        with ThreadPoolExecutor(8) as pool:
            assert len({asked.id for asked in pool.map(lambda _: ask(approvals), range(24))}) == 1

    def test_of_all_who_decide_one_does(self, log: AuditLog, approvals: Approvals) -> None:
        ids = [ask(approvals, number).id for number in range(5)]

        def decides(number: int) -> bool:
            try:
                approvals.vote(ids[number % 5], Person(name=f"r{number}"), approves=number % 3 > 0)
            except ApprovalError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(decides, range(80))) == 5
        found = [approvals.get(id) for id in ids]
        assert [len(approval.votes) for approval in found] == [1] * 5
        assert all((a.state is State.APPROVED) == a.votes[0].approves for a in found)
        jobs = Outbox(approvals.store).jobs()
        assert sorted(job.approval for job in jobs if job.kind == RESUME) == sorted(ids)
        assert log.verify().ok

    def test_of_all_who_use_an_approval_one_does(self, approvals: Approvals) -> None:
        asked = ask(approvals)
        approvals.vote(asked.id, Person(name="rita"), approves=True)
        with ThreadPoolExecutor(8) as pool:
            used = list(pool.map(lambda _: approvals.consume(asked.id, asked.digest), range(24)))
        assert sum(one is not None for one in used) == 1

    def test_a_page_follows_the_one_before(self, approvals: Approvals) -> None:
        asked = {ask(approvals, number).id for number in range(7)}
        for order in ORDERS:
            seen: list[str] = []
            while page := approvals.search(Query(after=seen[-1] if seen else "", order=order, limit=3)):
                seen += [approval.id for approval in page]
            assert len(seen) == 7
            assert set(seen) == asked
        assert [a.call_id for a in approvals.search(Query(text="MAKE-3"))] == ["c3"]
        assert approvals.search(Query(text="%")) == []

    # --- jobs

    def test_a_job_is_one_workers_until_its_lease_ends(self, approvals: Approvals) -> None:
        asked = [ask(approvals, number).id for number in range(12)]
        outbox = Outbox(approvals.store)
        with ThreadPoolExecutor(6) as pool:
            claims = list(pool.map(lambda _: outbox.claim([NOTIFY], now=100, lease=10, limit=3), range(12)))
        assert sorted(job.approval for claim in claims for job in claim) == sorted(asked)
        assert outbox.claim([NOTIFY], now=109, lease=10, limit=3) == []
        (late,) = outbox.claim([NOTIFY], now=110, lease=10, limit=1)
        (before,) = [job for claim in claims for job in claim if job.approval == late.approval]
        assert not outbox.done(before)
        assert outbox.done(late)
        assert len(outbox.jobs()) == 11

    def test_a_change_that_cannot_be_recorded_does_not_happen(
        self, approvals: Approvals, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = ask(approvals)

        def fails(*_: Any, **__: Any) -> None:
            raise AuditError("no room")

        with monkeypatch.context() as broken:
            broken.setattr(approvals.store.audit, "append", fails)
            with pytest.raises(AuditError, match="no room"):
                approvals.vote(asked.id, Person(name="rita"), approves=True)
        found = approvals.get(asked.id)
        assert (found.state, found.votes) == (State.PENDING, [])
        assert [(job.kind, job.wanted) for job in Outbox(approvals.store).jobs()] == [(NOTIFY, 1)]


def _writer(database: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, database, str(count)], stdout=subprocess.PIPE, text=True)
