"""What moves an agent up and down, told by records as the guard writes them."""

from __future__ import annotations

from typing import Any

import pytest
from book import START, Book

from hitl_opa.autonomy import Standing, climb
from hitl_opa.config import Autonomy
from hitl_opa.metrics import Trails

DAY = 86_400.0


class Life:
    """An agent's days: reviewed calls, one every few hours, of distinct inputs."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.now = 0.0
        self.count = 0

    def calls(self, n: int, choice: str = "approve", *, every: float = DAY / 4, **fields: Any) -> None:
        review = {"ms": 30_000, **{k: fields.pop(k) for k in ("ms", "who", "batch") if k in fields}}
        for _ in range(n):
            self.now += every
            self.count += 1
            id = f"d{self.count}"
            self.book.decision(id, self.now, **{"risk": "low", "revision": "r1", **fields})
            who = review.get("who", ("ann", "bob")[self.count % 2])
            self.book.review(id, self.now, choice, **{**review, "who": who})

    def standings(self, terms: Autonomy | None = None, *, later: float = 0.0) -> list[Standing]:
        records = self.book.close().records()
        return climb(Trails(records), START.timestamp() + self.now + later, terms)

    def level(self, risk: str = "low", tool: str = "Bash", **options: Any) -> int:
        return next(s.level for s in self.standings(**options) if (s.tool, s.risk) == (tool, risk))


@pytest.fixture
def life(book: Book) -> Life:
    return Life(book)


def act(life: Life, action: str, **fields: Any) -> None:
    life.now += 1
    life.book.note("", life.now, autonomy={"action": action, "by": "olga", **fields})


def test_the_four_levels_walked_end_to_end(life: Life) -> None:
    life.calls(35)
    assert life.level() == 1
    life.calls(1)
    assert life.level() == 2  # low risk runs alone
    life.calls(72, risk="medium")
    assert life.level("medium") == 3
    life.calls(367, risk="high")
    (high,) = [s for s in life.standings() if s.risk == "high"]
    assert (high.level, high.proposed) == (1, True)  # evidence proposes, a person confirms
    act(life, "confirm", agent="bot", version="1", tool="Bash", risk="high")
    assert life.level("high") == 4
    life.calls(1, risk="medium")
    life.book.outcome(f"d{life.count}", life.now + 1)
    life.book.note(f"d{life.count}", life.now + 2, incident=3)
    life.now += 3
    fallen = life.standings()
    assert [s.level for s in fallen] == [1, 1, 1]
    for standing in fallen:
        assert standing.moves[-1].why == "a severe incident with Bash"
        assert standing.moves[-1].call == f"d{life.count}"
    assert fallen[0].moves[0].why.startswith("36 of 36 approved unchanged by 2 reviewers: evidence 2")


def test_another_climb_takes_time_and_more_evidence(life: Life) -> None:
    life.calls(36)
    life.book.note("d36", life.now + 1, incident=3)
    life.now += 1
    life.calls(42, every=DAY / 5)  # a perfect record against alpha/2 needs 42, and 14 days cool down
    (standing,) = life.standings()
    assert (standing.level, standing.alpha) == (1, 0.025)
    assert any("cooling down" in words for words in standing.missing)
    life.calls(36, every=DAY)
    assert life.level() == 2


def test_too_many_corrections_bring_it_down(life: Life) -> None:
    life.calls(36)
    assert life.level() == 2
    life.calls(2, "reject")
    assert life.level() == 2
    life.calls(1, "edit")
    assert life.level() == 1


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"ms": 500}, "rubber stamps"),
        ({"ms": 0}, "looks that nobody timed"),
        ({"digest": "same"}, "the same call again"),
        ({"batch": "b1"}, "a batch"),
        ({"who": "ann"}, "one reviewer"),
        ({"every": 60.0}, "an afternoon"),
    ],
)
def test_what_is_no_evidence(life: Life, fields: dict[str, Any], what: str) -> None:
    life.calls(60, **fields)
    assert [s.level for s in life.standings()] in ([], [1]), what


def test_corrections_count_however_fast_they_were(life: Life) -> None:
    life.calls(30)
    life.calls(1, "reject", ms=100)
    (standing,) = life.standings()
    assert (standing.evidence.successes, standing.evidence.failures) == (30, 1)


def test_reviewers_who_wave_planted_requests_through_do_not_count(life: Life) -> None:
    for n in range(5):
        life.book.decision(f"canary{n}", n)
        life.book.state(f"canary{n}", n, "pending", canary=True)
        life.book.review(f"canary{n}", n, "approve" if n else "reject", who="bob")
        life.book.state(f"canary{n}", n, "approved", canary=True)
    life.calls(80)
    (standing,) = life.standings()
    assert standing.level == 1
    assert standing.reviewers == ["ann"]
    assert standing.missing == ["1 of 2 reviewers"]


def test_another_version_starts_without_trust(life: Life, tmp_path: Any) -> None:
    from hitl_opa.audit import AuditLog

    life.calls(36)
    life.book.close()
    with AuditLog.open(tmp_path / "hitl.db", labels={"agent": "bot", "agent_version": "2"}) as log:
        next_one = Life(Book(log))
        next_one.now, next_one.count = life.now, life.count
        next_one.calls(1)
        assert {(s.version, s.level) for s in next_one.standings()} == {("1", 2), ("2", 1)}


def test_another_policy_starts_the_evidence_anew(life: Life) -> None:
    life.calls(36)
    life.calls(1, revision="r2")
    assert life.level() == 1
    assert life.level(terms=Autonomy(reset_on_policy=False)) == 2
    assert "the policy changed" in life.standings()[0].moves[-1].why


def test_a_small_incident_is_a_failure(life: Life) -> None:
    life.calls(3)
    life.book.note("d2", life.now + 1, incident=1)
    life.now += 1
    assert life.standings()[0].evidence.failures == 1


def test_the_kill_switch_holds_until_it_is_lifted(life: Life) -> None:
    life.calls(36)
    act(life, "freeze", reason="odd nights")
    assert life.level() == 1
    act(life, "unfreeze")
    assert life.level() == 2


def test_people_may_set_a_level_within_what_the_risk_allows(life: Life) -> None:
    life.calls(1)
    act(life, "set", agent="bot", version="1", tool="Bash", risk="low", level=4, reason="migrated")
    assert life.level() == 2
    act(life, "reset", agent="bot")
    assert life.level() == 1


def test_nothing_is_proposed_that_was_not_earned(life: Life) -> None:
    life.calls(5, risk="high")
    act(life, "confirm", agent="bot", version="1", tool="Bash", risk="high")
    assert life.level("high") == 1


def test_critical_calls_never_earn(life: Life) -> None:
    life.calls(500, risk="critical")
    assert life.standings() == []


def test_the_past_can_be_asked_about(life: Life) -> None:
    life.calls(36)
    life.calls(3, "reject")
    assert life.level() == 1
    assert life.level(later=-3 * DAY / 4) == 2
