"""Letters on each database: who races with whom writes one letter, sends it once, and answers once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec
import pytest
from doubles import ask, referee

from hitl_opa.approvals import Approval, Person
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.letter import Link
from hitl_opa.approvals.letters import GIVEN_UP, REMEMBERED, Letters
from hitl_opa.audit import AuditLog
from hitl_opa.model import Agent, CallFacts, Decision, Document

T = TypeVar("T")


@pytest.fixture
def audit(database: str) -> Iterator[AuditLog]:
    with AuditLog.open(database) as log:
        yield log


@pytest.fixture
def approvals(audit: AuditLog) -> Approvals:
    return Approvals.open(audit, redact=lambda value: value, referee=referee())


@pytest.fixture
def now() -> list[float]:
    return [1_000_000.0]


@pytest.fixture
def letters(approvals: Approvals, now: list[float]) -> Letters:
    return Letters(approvals.store, clock=lambda: now[0])


def request(approvals: Approvals, digest: str = "sha256:1", **terms: object) -> Approval:
    document = Document(
        call=CallFacts(id="c1", tool="Bash", kind="shell", input={"command": "make deploy"}),
        agent=Agent(session="s1", principal="anna"),
    )
    decision = msgspec.json.decode(ask("medium", **terms), type=Decision)
    return approvals.request(digest, document, decision, "d1")


def at_once(*work: Callable[[], T]) -> list[T]:
    with ThreadPoolExecutor(len(work)) as pool:
        return [done.result() for done in [pool.submit(one) for one in work]]


def test_what_waits_is_routed_once(approvals: Approvals, letters: Letters) -> None:
    asked = [request(approvals, f"sha256:{n}") for n in range(3)]
    assert letters.unrouted() == [a.id for a in asked]
    letters.address((a.id, 0, [("ops", ""), ("ops", ""), ("mail", "rita")]) for a in asked)
    letters.address([(asked[0].id, 0, [("siem", "")])])  # another worker, later
    assert letters.unrouted() == []
    letters.gather(0)
    assert sorted((one.channel, one.audience, len(one.approvals)) for one in letters.due()) == [
        ("mail", "rita", 3),
        ("ops", "", 3),
    ]


def test_workers_that_gather_at_once_write_one_letter(approvals: Approvals, letters: Letters) -> None:
    asked = [request(approvals, f"sha256:{n}") for n in range(5)]
    readers = [("ops", ""), ("mail", "rita")]
    at_once(*[lambda: letters.address((a.id, 0, readers) for a in asked)] * 4)
    at_once(*[lambda: letters.gather(0)] * 4)
    assert [len(one.approvals) for one in letters.due()] == [5, 5]


def test_of_workers_that_try_at_once_one_sends(approvals: Approvals, letters: Letters) -> None:
    letters.address([(request(approvals).id, 0, [("ops", "")])])
    letters.gather(0)
    (letter,) = letters.due()
    assert sum(at_once(*[lambda: letters.trying(letter, 60)] * 6)) == 1
    assert letters.due() == []  # it is being sent
    letters.sent(letter.id, {"ts": "1"}, "v1")
    assert not letters.trying(letter, 60)  # what was read before that is old
    letters.current(letter.id, letter.stamp, closed=False)
    assert letters.due() == []


def test_what_changes_an_approval_makes_its_letter_due(approvals: Approvals, letters: Letters) -> None:
    asked = request(approvals, quorum=2)
    letters.address([(asked.id, 0, [("ops", "")])])
    letters.gather(0)
    stamps = []
    for change in (
        lambda: None,
        lambda: approvals.vote(asked.id, Person(name="rita"), approves=True),
        lambda: approvals.vote(asked.id, Person(name="omar"), approves=True),
        lambda: approvals.cancel(asked.id, "rita"),
    ):
        change()
        (letter,) = letters.due()
        stamps.append(letter.stamp)
        letters.current(letter.id, letter.stamp, closed=False)
        assert letters.due() == []
    assert len(set(stamps)) == 4
    letters.current(letter.id, "old", closed=True)
    assert letters.due() == []


def test_what_fails_waits_and_is_given_up(approvals: Approvals, letters: Letters, now: list[float]) -> None:
    letters.address([(request(approvals).id, 0, [("ops", "")])])
    assert letters.next_at(10) == now[0] + 10
    letters.gather(0)
    assert letters.next_at(10) is None
    (letter,) = letters.due()
    letters.failed(letter.id, "500", 1, 30)
    assert (letters.due(), letters.next_at(10)) == ([], now[0] + 30)
    now[0] += 30
    assert [one.problem for one in letters.due()] == ["500"]
    letters.failed(letter.id, "500", GIVEN_UP, 30)
    now[0] += 10**6
    assert (letters.due(), letters.next_at(10)) == ([], None)
    assert [one.attempts for one in letters.failing()] == [GIVEN_UP]
    assert letters.retry() == 1
    assert len(letters.due()) == 1


def test_a_request_is_answered_once(letters: Letters, now: list[float]) -> None:
    answers = at_once(*[lambda: letters.answer("webhook:1", "body", {"state": "approved"})] * 6)
    assert sum(answers) == 1
    kept = letters.answered("webhook:1")
    assert kept is not None
    assert (kept.body, kept.answer) == ("body", {"state": "approved"})
    now[0] += REMEMBERED + 1
    letters.answer("webhook:2", "body", {})
    assert letters.answered("webhook:1") is None


def test_a_link_is_made_once_a_letter_and_what_it_binds_to(letters: Letters) -> None:
    def link(nonce: str, digest: str = "d1") -> Link:
        return letters.link("letter", Link(nonce=nonce, approval="a1", digest=digest, reviewer="rita"))

    assert [link("n1").nonce, link("n2").nonce, link("n3", "d2").nonce] == ["n1", "n1", "n3"]
    assert letters.known("n2") is None
    assert letters.known("n1") == link("n1")
