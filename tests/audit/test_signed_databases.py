"""Checkpoints, proofs, erasure and search on either database."""

from __future__ import annotations

from collections.abc import Callable

from hitl_opa.audit import AuditLog, Damage, Event, Filter, verify
from hitl_opa.audit.anchors import Kept
from hitl_opa.audit.erasure import erase
from hitl_opa.audit.formats import otel_logs
from hitl_opa.audit.keys import Keys
from hitl_opa.audit.notary import Notary
from hitl_opa.audit.proofs import check

Make = Callable[..., Event]


class Shelf:
    """An anchor in memory."""

    name = "shelf"

    def __init__(self) -> None:
        self.kept: list[str] = []

    def put(self, notes: list[str]) -> None:
        self.kept += notes

    def read(self) -> Kept:
        return Kept(self.kept)


def test_a_signed_record_from_its_first_leaf_to_its_erasure(database: str, keys: Keys, event: Make) -> None:
    shelf, verifiers = Shelf(), keys.verifiers()
    with AuditLog.open(database, notary=Notary(keys, every=4, anchors=[shelf])) as log:
        for number in range(10):
            log.append(event(number, principal="Ada"))
    with AuditLog.open(database, notary=Notary(keys, anchors=[shelf])) as log:
        assert [head.signed for head in log.verify(verifiers, shelf.kept).streams] == [10]
        assert sorted(shelf.kept) == sorted(log.notes())  # each of them once
        prover = log.prover(verifiers)
        for record in log.records():
            shown = check(prover.inclusion(record), verifiers)
            assert shown.payload == record.payload
        assert check(prover.consistency(log.notes()[0]), verifiers).checkpoint.size == 10
        assert [r.seq for r in log.records(Filter(text="NUMBER"))] == list(range(10))
        assert [r.seq for r in log.records(Filter(decision_id="d3", principal="Ada"))] == [3]
        assert erase(log, Filter(session="s1", principal="Ada"), by="ann").count == 5
        log.checkpoint()
        report = log.verify(verifiers, shelf.kept)
        assert report.ok
        assert report.erased == 5
        assert verify(list(log.export()), verifiers).ok
        assert check(log.prover(verifiers).inclusion(next(iter(log.tail(2)))), verifiers).payload is None
        assert len(list(otel_logs(log.records()))) == 1


def test_what_is_cut_off_is_found(database: str, keys: Keys, event: Make) -> None:
    with AuditLog.open(database, notary=Notary(keys)) as log:
        for number in range(3):
            log.append(event(number))
        log.checkpoint()
        with log.transaction() as cursor:
            cursor.execute("DELETE FROM audit_leaf WHERE seq = 2")
            cursor.execute("UPDATE audit_stream SET size = 2")
        (problem,) = log.verify(keys.verifiers()).problems
        assert (problem.damage, problem.seq, problem.last) == (Damage.TRUNCATED, 2, 2)
