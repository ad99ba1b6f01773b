from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from book import Book
from prometheus_client.parser import text_string_to_metric_families

from hitl_opa.audit import Record
from hitl_opa.metrics.prometheus import Exposition
from hitl_opa.metrics.tally import MAX_TOOLS


def samples(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(text.decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_the_official_parser_reads_what_happened(book: Book) -> None:
    book.decision("a", 0, "allow", tool="Read", risk="low")
    book.decision("b", 1, "ask", risk="high")
    book.state("b", 1, "pending")
    book.write_escalation("b", 50, 1)
    book.review("b", 101, "approve", ms=12_000)
    book.state("b", 101, "approved")
    book.decision("c", 2, "ask", risk="high")
    book.state("c", 2, "pending")
    exposition = Exposition(book.close(), lambda: {("bot", "Bash", "medium"): 3})
    found = samples(exposition.text())
    assert found[key("hitl_policy_decisions_total", agent="bot", tool="Read", risk="low", outcome="allow")] == 1
    assert found[key("hitl_policy_decisions_total", agent="bot", tool="Bash", risk="high", outcome="ask")] == 2
    assert found[key("hitl_approvals_total", risk="high", verdict="approve")] == 1
    assert found[key("hitl_approvals_pending", risk="high")] == 1
    assert found[key("hitl_approvals_pending", risk="low")] == 0
    assert found[key("hitl_approval_wait_seconds_sum", risk="high")] == 100
    assert found[key("hitl_approval_wait_seconds_bucket", risk="high", le="60.0")] == 0
    assert found[key("hitl_approval_wait_seconds_bucket", risk="high", le="300.0")] == 1
    assert found[key("hitl_approval_look_seconds_bucket", risk="high", le="30.0")] == 1
    assert found[key("hitl_escalations_total", level="1")] == 1
    assert found[key("hitl_autonomy_level", agent="bot", tool="Bash", risk="medium")] == 3


def test_the_next_scrape_goes_on_where_the_last_one_ended(book: Book) -> None:
    book.decision("a", 0, "allow", risk="low")
    exposition = Exposition(book.close())
    name = key("hitl_policy_decisions_total", agent="bot", tool="Bash", risk="low", outcome="allow")
    assert samples(exposition.text())[name] == 1
    assert samples(exposition.text())[name] == 1
    book.decision("b", 1, "allow", risk="low")
    book.close()
    assert samples(exposition.text())[name] == 2


def test_names_that_a_model_makes_up_do_not_flood_prometheus(book: Book) -> None:
    for n in range(MAX_TOOLS + 50):
        book.decision(f"d{n}", n, "deny", tool=f"made-up-{n}")
    text = Exposition(book.close()).text()
    tools = {labels for name, labels in samples(text) if name == "hitl_policy_decisions_total"}
    assert len(tools) == MAX_TOOLS + 1


def test_labels_are_escaped(book: Book) -> None:
    book.decision("a", 0, "deny", tool='x"\n\\{} 1')
    found = samples(Exposition(book.close()).text())
    assert any(dict(labels).get("tool") == 'x"\n\\{} 1' for _, labels in found)


def test_a_scrape_reads_what_is_new_and_nothing_else(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(*arguments: object, after: int = 0) -> Iterator[Record]:
        for record in records(*arguments, after=after):
            read.append(record.id)
            yield record

    for n in range(50):
        book.decision(f"d{n}", n)
    log = book.close()
    records = log.records
    monkeypatch.setattr(log, "records", counted)
    exposition = Exposition(log)
    first = exposition.text()
    assert len(read) == 50
    assert exposition.text() == first
    assert len(read) == 50
    book.review("d7", 60, "approve")
    book.close()
    exposition.text()
    assert len(read) == 51


def test_whatever_happens_counters_only_grow_and_end_as_if_read_at_once(book: Book) -> None:
    """Calls at random, scraped at random: each scrape against the one before, the last one against a fresh one."""
    dice = random.Random(11)
    exposition = Exposition(book.close())
    before: dict[Any, float] = {}
    waiting: list[str] = []
    for n in range(300):
        book.decision(f"d{n}", n, dice.choice(["allow", "ask", "deny"]), risk=dice.choice(["low", "high"]))
        if dice.random() < 0.5:
            book.state(f"d{n}", n, "pending", **({"canary": True} if n % 50 == 0 else {}))
            waiting.append(f"d{n}")
        if waiting and dice.random() < 0.6:
            id = waiting.pop(dice.randrange(len(waiting)))
            match dice.randrange(5):
                case 0:
                    book.state(id, n, "expired")
                case 1:
                    book.state(id, n, "approved")  # nobody decided in time, and policy let it run
                    book.state(id, n, "executing")
                    book.state(id, n, "executed")
                case 2:
                    book.write_escalation(id, n, 1)
                    waiting.append(id)
                case _:
                    choice = dice.choice(["approve", "reject"])
                    book.review(id, n, choice, ms=dice.choice([0, 900, 70_000]))
                    book.state(id, n, "denied" if choice == "reject" else "approved")
        if dice.random() < 0.2:
            book.close()
            now = samples(exposition.text())
            grows = {k: v for k, v in now.items() if k[0].endswith(("_total", "_bucket", "_count", "_sum"))}
            assert all(grows.get(k, 0) >= v - 1e-9 for k, v in before.items())
            before = grows
    log = book.close()
    fresh, last = samples(Exposition(log).text()), samples(exposition.text())
    assert fresh.keys() == last.keys()
    assert all(last[k] == pytest.approx(v) for k, v in fresh.items())
