from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

import pytest
from book import START, Book

from hitl_opa.audit import Kind
from hitl_opa.config import Target
from hitl_opa.errors import ConfigError
from hitl_opa.metrics import Measures, Ratio, Spread, Trails, alerts, measure


def measured(book: Book, **only: Any) -> Measures:
    trails = Trails(book.close().records())
    return measure(trails, [t for t in trails if all(getattr(t, name) == value for name, value in only.items())])


def test_a_call_is_one_trail(book: Book) -> None:
    book.decision("d1", 0)
    book.state("d1", 1, "pending")
    book.review("d1", 61, "approve", ms=20_000)
    book.state("d1", 61, "approved")
    book.state("d1", 90, "executing")
    book.outcome("d1", 95)
    (trail,) = Trails(book.close().records())
    assert (trail.agent, trail.version, trail.tool, trail.choice, trail.outcome) == (
        "bot",
        "1",
        "Bash",
        "approve",
        "ran",
    )
    assert trail.at == START.timestamp()
    assert (trail.requested_at - trail.at, trail.settled_at - trail.requested_at) == (1, 60)


def test_times_are_split_into_waiting_and_looking(book: Book) -> None:
    book.decision("d1", 0)
    book.state("d1", 0, "pending")
    book.review("d1", 600, "reject", ms=60_000)
    book.state("d1", 600, "denied")
    book.decision("d2", 700)  # in a session the look is all there is
    book.review("d2", 705, "approve", ms=5_000)
    found = measured(book)
    assert found.resolution == Spread(n=2, p50=5, p95=600)
    assert found.queue == Spread(n=2, p50=0, p95=540)
    assert found.look == Spread(n=2, p50=5, p95=60)


def test_an_ask_that_nobody_answers_is_counted_as_that(book: Book) -> None:
    book.decision("nobody", 0)
    book.decision("asked", 1)
    book.state("asked", 1, "pending")
    book.decision("again", 2, digest="asked")  # the agent tries again while the approval waits
    book.decision("runs", 3, digest="asked")
    book.outcome("runs", 4, approval="a-asked")
    found = measured(book)
    assert (found.unanswered, found.open, found.escalation) == (1, 1, Ratio(1, 4))


def test_reviewers_who_failed_to_answer_have_decided_nothing(book: Book) -> None:
    book.decision("d1", 0)
    book.write(Kind.REVIEW, "d1", 1, verdict="none", decided_by="guard")
    assert measured(book).choices == {}


def test_rubber_stamps_are_faster_than_reading(book: Book) -> None:
    long = {"call": {"input": {"content": "x" * 5000}}}  # 100 s to read
    for id, ms, shown in [("a", 1_900, None), ("b", 2_100, None), ("c", 90_000, long), ("d", 110_000, long)]:
        book.decision(id, 0, **({"input": shown} if shown else {}))
        book.review(id, 1, "approve", ms=ms)
    book.decision("untimed", 0)
    book.review("untimed", 1, "approve", ms=0)
    book.decision("rejected", 0)
    book.review("rejected", 1, "reject", ms=100)
    assert measured(book).rubber_stamp == Ratio(2, 4)


def test_agreement_is_fleiss_kappa(book: Book) -> None:
    # 10 calls, two votes each: 6 x yes yes, 2 x no no, 2 x split: agreed 0.8, share of no 0.3, chance 0.58
    votes = ["yy"] * 6 + ["nn"] * 2 + ["yn"] * 2
    for at, pair in enumerate(votes):
        book.decision(f"d{at}", at)
        for who, vote in zip(("ann", "bob"), pair, strict=True):
            book.review(f"d{at}", at, "approve" if vote == "y" else "reject", who)
    agreement = measured(book).agreement
    assert agreement == pytest.approx((0.8 - 0.58) / (1 - 0.58))


def test_one_vote_each_says_nothing_about_agreement(book: Book) -> None:
    book.decision("d1")
    book.review("d1", 1, "approve")
    assert measured(book).agreement is None


def test_corrections_that_changed_something(book: Book) -> None:
    for id in ("a", "b", "c"):
        book.decision(id, 0)
        book.review(id, 1, "reject", category="missing-context")
    book.decision("silent", 0)
    book.review("silent", 1, "reject")
    book.note("", 5, adopted=["a", "c", "not there"])
    assert measured(book).utilisation == Ratio(2, 3)


def test_harm_is_told_apart_by_who_let_it_run(book: Book) -> None:
    for id, verdict, bad in [("a", "allow", False), ("b", "allow", True), ("c", "ask", True), ("d", "ask", False)]:
        book.decision(id, 0, verdict)
        if verdict == "ask":
            book.review(id, 1, "approve")
        book.outcome(id, 2)
        if bad:
            book.note(id, 3, incident=2)
    book.decision("never ran", 0, "deny")
    found = measured(book)
    assert (found.harm_approved, found.harm_automatic) == (Ratio(1, 2), Ratio(1, 2))


def test_canaries_count_for_nothing_else(book: Book) -> None:
    for id, state in [("a", "denied"), ("b", "approved"), ("c", "expired")]:
        book.decision(id, 0)
        book.state(id, 0, "pending", canary=True)
        if state != "expired":
            book.review(id, 1, "reject" if state == "denied" else "approve")
        book.state(id, 1, state, canary=True)
    found = measured(book)
    assert found.canaries == Ratio(1, 2)
    assert (found.calls, found.override, found.expiry) == (0, Ratio(), Ratio())


def test_load_is_by_the_hours_in_which_somebody_worked(book: Book) -> None:
    for at in (0, 10, 20, 3600, 36_000):
        book.decision(f"d{at}", at)
        book.review(f"d{at}", at, "approve")
    assert measured(book).load == {"ann": 5 / 3}


def test_records_without_their_decision_are_said_to_be(book: Book) -> None:
    book.outcome("gone", 0)
    assert Trails(book.close().records()).unmatched == 1


def test_nothing_is_no_rate() -> None:
    found = measure(Trails())
    assert found.escalation.value is None
    assert found.escalation.interval == (0, 1)
    assert alerts(found) == []


def test_alerts_need_cases_and_a_number_outside(book: Book) -> None:
    for at in range(60):
        book.decision(f"d{at}", at, "ask" if at % 2 else "allow")
        if at % 2:
            book.review(f"d{at}", at, "approve")
    found = measured(book)
    assert [(a.name, a.value) for a in alerts(found)] == [("escalation", 0.5)]
    assert [a.name for a in alerts(found, {"escalation": Target(low=0.4, high=0.6)})] == []
    assert {a.name for a in alerts(found, {"override": Target(low=0.1, needs=10)})} == {"escalation", "override"}
    with pytest.raises(ConfigError, match="no 'escalatoin'"):
        alerts(found, {"escalatoin": Target()})


def test_ten_thousand_calls_measure_as_they_were_made(book: Book) -> None:
    """The truth is tallied while the record is written, by its own arithmetic."""
    dice = random.Random(7)
    truth: Counter[str] = Counter()
    waits, looks, queues = [], [], []
    for n in range(10_000):
        id, at = f"d{n}", n * 60.0
        kind = dice.choices(["allow", "deny", "session", "durable", "guard"], [60, 8, 14, 16, 2])[0]
        if kind in {"allow", "deny", "guard"}:
            book.decision(id, at, kind.replace("guard", "deny"), decided_by="guard" if kind == "guard" else "policy")
            truth[kind.replace("guard", "deny")] += 1
            truth["failed"] += kind == "guard"
            if kind == "allow":
                book.outcome(id, at + 1)
                truth["alone"] += 1
                if dice.random() < 0.01:
                    book.note(id, at + 2, incident=1)
                    truth["alone harm"] += 1
            continue
        book.decision(id, at)
        truth["asked"] += 1
        answer = dice.choices(["approve", "edit", "reject", "expire"], [70, 8, 12, 10 if kind == "durable" else 0])[0]
        look = dice.choice([1000, 4000, 30_000])
        wait = dice.randrange(60, 5000)
        if kind == "durable":
            book.state(id, at, "pending")
            truth["requested"] += 1
        if answer == "expire":
            book.state(id, at + 86_400, "expired")
            truth["expired"] += 1
            continue
        category = dice.choice(["", "missing-context"]) if answer in {"edit", "reject"} else ""
        then = at + wait if kind == "durable" else at + look / 1000
        book.review(
            id, then, answer, dice.choice(["ann", "bob"]), ms=look, **({"category": category} if category else {})
        )
        if kind == "durable":
            book.state(id, then, "denied" if answer == "reject" else "approved")
        truth[answer] += 1
        if category:
            truth["corrected"] += 1
            if dice.random() < 0.3:
                book.note("", then, adopted=[id])
                truth["adopted"] += 1
        looks.append(look / 1000)
        waits.append(wait if kind == "durable" else look / 1000)
        queues.append(max(0.0, waits[-1] - looks[-1]))
        if answer != "reject":
            truth["timed"] += 1
            truth["stamped"] += look < 2000
            book.outcome(id, then + 1)
    found = measured(book)
    judged = truth["approve"] + truth["edit"] + truth["reject"]
    assert found.calls == 10_000
    assert found.verdicts == {"allow": truth["allow"], "deny": truth["deny"], "ask": truth["asked"]}
    assert found.failed_closed == truth["failed"]
    assert found.escalation == Ratio(truth["asked"], 10_000)
    assert found.override == Ratio(truth["edit"] + truth["reject"], judged)
    assert found.expiry == Ratio(truth["expired"], truth["requested"])
    assert found.rubber_stamp == Ratio(truth["stamped"], truth["timed"])
    assert found.utilisation == Ratio(truth["adopted"], truth["corrected"])
    assert found.harm_automatic == Ratio(truth["alone harm"], truth["alone"])
    assert found.harm_approved == Ratio(0, truth["timed"])
    for spread, values in [(found.resolution, waits), (found.look, looks), (found.queue, queues)]:
        ordered = sorted(values)
        assert spread.n == len(values)
        for share, got in [(0.5, spread.p50), (0.95, spread.p95)]:
            assert got == pytest.approx(ordered[math.ceil(share * len(values)) - 1], abs=1e-5)


def test_wilson_interval_against_a_published_example() -> None:
    low, high = Ratio(81, 263).interval  # Newcombe 1998, table I: 0.2553 to 0.3662
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
