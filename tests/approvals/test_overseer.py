"""What a worker sees to each minute: levels as the record says, and one alarm an episode."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from book import START, Book

from hitl_opa.approvals.overseer import Overseer
from hitl_opa.approvals.standings import Standings
from hitl_opa.approvals.store import Store
from hitl_opa.approvals.tables import AUTONOMY
from hitl_opa.audit import AuditLog
from hitl_opa.config import Autonomy, Config, Target
from hitl_opa.metrics import Trails
from hitl_opa.metrics.alarms import alarms

HOUR, DAY = 3_600.0, 86_400.0
CONFIG = Config(agent="bot", agent_version="1", autonomy=Autonomy(earn=True), durable=True)


@pytest.fixture
def book(database: str) -> Any:
    with AuditLog.open(database, labels={"agent": "bot", "agent_version": "1"}) as log:
        yield Book(log)


@pytest.fixture
def store(book: Book) -> Store:
    return Store(book.log)


def earn(book: Book, calls: int, risk: str, start: int = 0, choice: str = "approve") -> float:
    """Reviewed calls, one each six hours; returns when the last was, in seconds from the book's start."""
    for n in range(start, start + calls):
        book.decision(f"{risk}{n}", n * DAY / 4, risk=risk, revision="r")
        book.review(f"{risk}{n}", n * DAY / 4, choice, ("ann", "bob")[n % 2], ms=30_000)
    book.close()
    return (start + calls) * DAY / 4


def after(seconds: float) -> float:
    return START.timestamp() + seconds


def said(overseer: Overseer, now: float, kind: str = "autonomy") -> list[str]:
    return [step.error.split(":")[1].strip() for step in overseer.once(now) if step.kind == kind]


def test_promotions_up_to_level_3_and_falls_are_put_in_force(book: Book, store: Store) -> None:
    overseer, standings = Overseer(store, CONFIG), Standings(store)
    now = earn(book, 36, "low")
    assert said(overseer, after(now)) == ["Bash at low risk, level 1 to 2"]
    earn(book, 72, "medium")
    now = earn(book, 367, "high")
    assert said(overseer, after(now)) == ["Bash at medium risk, level 1 to 3"]
    assert standings.levels("bot", "1", "Bash")[0] == {"low": 2, "medium": 3}  # 4 takes a person's word
    assert said(overseer, after(now)) == []
    book.note("medium3", now + 1, incident=3)
    book.close()
    assert len(said(overseer, after(now + 2))) == 2
    assert standings.levels("bot", "1", "Bash")[0] == {}


def test_what_is_not_to_be_earned_is_not(book: Book, store: Store) -> None:
    now = earn(book, 36, "low")
    assert said(Overseer(store, Config(agent="bot", durable=True)), after(now)) == []


def test_what_was_lost_a_moment_ago_is_not_given_back(book: Book, store: Store) -> None:
    """Somebody reports an incident between a worker's reading of the record and its writing of levels."""
    late, standings = Overseer(store, CONFIG), Standings(store)
    now = earn(book, 36, "low")
    late._read()
    book.note("low3", now + 1, incident=3)
    book.close()
    assert standings.apply(lambda: late._climbed(after(now + 2)), after(now + 2)) == []
    assert standings.levels("bot", "1", "Bash")[0] == {}


def test_a_level_that_the_record_does_not_know_of_ends(book: Book, store: Store) -> None:
    """Whoever can write to the database, and not to the record, is found out within a minute."""
    overseer, standings = Overseer(store, CONFIG), Standings(store)
    now = after(earn(book, 36, "low"))
    assert said(overseer, now) == ["Bash at low risk, level 1 to 2"]
    with store.connected() as connection:
        for agent, tool, risk in (("bot", "Bash", "high"), ("other", "Write", "low")):
            key = {"agent": agent, "version": "1", "tool": tool, "risk": risk}
            connection.execute(AUTONOMY.insert().values(**key, level=4, at=0.0))
        connection.execute(AUTONOMY.update().where(AUTONOMY.c.risk == "low").values(level=4))
    found = said(overseer, now + 60)
    assert found == [
        "Bash at high risk, level 4 to 1", "Bash at low risk, level 4 to 2", "Write at low risk, level 4 to 1"
    ]  # fmt: skip
    assert standings.levels("bot", "1", "Bash")[0] == {"low": 2}
    assert standings.levels("other", "1", "Write")[0] == {}
    assert said(overseer, now + 120) == []


def test_a_freeze_that_somebody_took_out_of_the_database_holds(book: Book, store: Store) -> None:
    overseer, standings = Overseer(store, CONFIG), Standings(store)
    now = earn(book, 36, "low")
    standings.act("freeze", "olga", after(now))
    list(overseer.once(time.time()))
    with store.connected() as connection:
        connection.execute(AUTONOMY.delete().where(AUTONOMY.c.agent == "*"))
    assert standings.levels("bot", "1", "Bash")[1] is False
    list(overseer.once(time.time()))
    assert standings.levels("bot", "1", "Bash")[1] is True


def test_an_alarm_is_raised_once_an_episode(book: Book, store: Store) -> None:
    one, other = Overseer(store, CONFIG), Overseer(store, CONFIG)
    now = after(DAY)
    for n in range(60):
        book.decision(f"d{n}", n, "ask" if n % 2 else "allow")
        if n % 2:
            book.review(f"d{n}", n + 1, "approve", ms=30_000)
    book.close()
    assert said(one, now, "alarm") == ["people see too many calls"]
    for again in (one, other, Overseer(store, CONFIG)):
        assert said(again, now, "alarm") == []
    over = now + 40 * DAY  # nothing was asked in the last thirty days
    (ended,) = [s for s in other.once(over) if s.kind == "alarm"]
    assert (ended.status, ended.error) == ("ended", "escalation: people see too many calls")
    for n in range(60, 120):
        book.decision(f"d{n}", 40 * DAY + n)
        book.review(f"d{n}", 40 * DAY + n + 1, "reject", ms=30_000)
    book.close()
    assert "people see too many calls" in said(one, over + DAY, "alarm")
    began = [r.get("extra")["alarm"] for r in book.log.records() if r.get("extra", {}).get("state") == "began"]
    assert began.count("metric escalation") == 2


def anomalies(book: Book, now: float) -> list[str]:
    found = alarms(Trails(book.close().records()), after(now), {"escalation": Target()})
    return [alarm.name for alarm in found if not alarm.name.startswith("metric")]


@pytest.mark.parametrize("level", [3, 4])
@pytest.mark.parametrize(
    ("how", "name"), [("changed", "changed bot Bash"), ("refused", "refused bot Bash"), ("failing", "failing bot Bash")]
)
def test_what_is_odd_at_level_4_and_only_there(book: Book, how: str, name: str, level: int) -> None:
    for n in range(8):
        book.decision(f"d{n}", n, "deny" if how == "refused" and n > 4 else "allow", level=level, risk="high")
        if how == "changed" and n == 7:
            book.events.append(_changed(book, "d7", 8))
        elif how != "refused" or n <= 4:
            book.outcome(f"d{n}", n + 1, "failed" if how == "failing" and n > 2 else "ran")
    assert anomalies(book, 60) == ([name] if level == 4 else [])
    assert anomalies(book, 2 * HOUR) == []  # an hour later it is over


def test_a_tool_that_earned_level_4_is_watched_too(book: Book) -> None:
    for n in range(3):
        rules = {"rules": ["shell.x", "autonomy.earned"]}
        book.decision(f"d{n}", n, "deny", level=1, risk="high", tool="A", **rules)
        book.decision(f"e{n}", n, "deny", level=1, risk="medium", tool="B", **rules)
    assert anomalies(book, 60) == ["refused bot A"]


@pytest.mark.parametrize(("calls", "alarm"), [(30, False), (31, True)])
def test_a_burst_is_more_than_three_times_the_busiest_hour_of_the_week(book: Book, calls: int, alarm: bool) -> None:
    for n in range(10):
        book.decision(f"a{n}", n, "allow", level=4, risk="high")
    for n in range(calls):
        book.decision(f"b{n}", 2 * DAY + n, "allow", level=4, risk="high")
    assert anomalies(book, 2 * DAY + 60) == (["burst bot Bash"] if alarm else [])


def test_the_first_busy_hour_of_all_is_no_burst(book: Book) -> None:
    for n in range(100):
        book.decision(f"a{n}", n, "allow", level=4, risk="high")
    assert anomalies(book, 200) == []


def _changed(book: Book, id: str, at: float) -> Any:
    book.outcome(id, at)
    return msgspec.structs.replace(book.events.pop(), matches=False)
