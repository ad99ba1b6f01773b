"""A written book of an agent's calls, and what its oversight record says of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from book import Book
from markdown_it import MarkdownIt

from hitl_opa.audit import AuditLog, Filter
from hitl_opa.audit.erasure import erase
from hitl_opa.config import Config
from hitl_opa.metrics import Ratio
from hitl_opa.oversight import Oversight, as_html, as_markdown, gather

DAY = 86_400
HOSTILE = "<script>alert(1)</script> | `x` [a](b) @octocat\n# h"


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    labels = {"agent": "bot", "agent_version": "v1"}
    with AuditLog.open(tmp_path / "audit.db", labels=labels) as log:
        yield Book(log)


@pytest.fixture
def written(book: Book) -> Book:
    """Three days: an allowed call, one approved, one rejected, one denied, one edited with an incident."""
    book.decision("a", 0, verdict="allow", tool="Read", risk="low", rules=["tier.tool"])
    book.outcome("a", 1)
    book.decision("b", 10, rules=["shell.x"], level=2)
    book.review("b", 70, "approve", ms=1000)
    book.outcome("b", 71)
    book.decision("c", DAY, rules=["shell.x"])
    book.review("c", DAY + 30, "reject", who="bob", ms=20_000, category="policy violation")
    book.decision("d", DAY + 60, verdict="deny", risk="critical", rules=["files.root"])
    book.decision("e", 2 * DAY, rules=["net.y"], tool=HOSTILE)
    book.review("e", 2 * DAY + 5, "edit", ms=5000)
    book.outcome("e", 2 * DAY + 6)
    book.note("e", 2 * DAY + 900, incident=2)
    book.close()
    return book


def made(book: Book, **options: Any) -> Oversight:
    return gather(book.log.records(), agent="bot", config=Config(), report=book.log.verify(), **options)


def test_what_is_gathered(written: Book) -> None:
    found = made(written)
    assert found.measures.calls == 5
    assert found.measures.escalation == Ratio(3, 5)
    assert found.measures.override == Ratio(2, 3)
    assert found.versions == {"v1": 5}
    assert [(d.date, dict(d.verdicts), d.asked) for d in found.days] == [
        ("2026-01-05", {"allow": 1, "ask": 1}, 1),
        ("2026-01-06", {"ask": 1, "deny": 1}, 1),
        ("2026-01-07", {"ask": 1}, 1),
    ]
    assert found.looks == {"under 2 s": 1, "2-10 s": 1, "10-30 s": 1, "30 s - 2 min": 0, "over 2 min": 0}
    assert [(r.name, r.approved, r.edited, r.rejected, r.look, r.fast) for r in found.reviewers] == [
        ("ann", 1, 1, 0, 3.0, 1),
        ("bob", 0, 0, 1, 20.0, 0),
    ]
    assert {rule: dict(counts) for rule, counts in found.rules.items()} == {
        "shell.x": {"ask": 2},
        "files.root": {"deny": 1},
        "net.y": {"ask": 1},
    }
    assert [(m.id, m.who, m.what) for m in found.corrections] == [
        ("c", "bob", "rejected - policy violation"),
        ("e", "ann", "edited"),
    ]
    assert [(m.id, m.what) for m in found.incidents] == [("e", "severity 2")]


def test_only_this_agent_and_this_period(written: Book, tmp_path: Path) -> None:
    with AuditLog.open(tmp_path / "audit.db", labels={"agent": "other"}) as log:
        other = Book(log)
        other.decision("x", DAY)
        other.close()
    assert made(written).measures.calls == 5
    assert [d.date for d in made(written, since="2026-01-06").days] == ["2026-01-06", "2026-01-07"]
    assert [d.date for d in made(written, since="2026-01-06T00:00:00Z", until="2026-01-07").days] == ["2026-01-06"]
    assert gather(written.log.records(), agent="nobody", config=Config()).measures.calls == 0


def test_erasures_and_changed_inputs_are_told(written: Book) -> None:
    from hitl_opa.audit import Event, Kind

    written.log.append(Event(kind=Kind.OUTCOME, decision_id="a", outcome="ran", matches=False))
    erase(written.log, Filter(tool="Read"), by="ann")
    found = made(written)
    assert (found.erased, found.changed) == (1, 1)
    assert [(m.who, m.what) for m in found.erasures] == [("ann", "tool Read")]
    text = as_html(found)
    assert "The payload of 1 of these calls was erased" in text
    assert "1 call(s) ran with another input" in text


def test_a_changed_record_is_told(written: Book) -> None:
    written.log._open().execute("UPDATE audit_leaf SET leaf = replace(leaf, 'deny', 'allow')")
    text = as_html(made(written))
    assert "was CHANGED" in text
    assert "its leaf is not the one in the tree" in text
    assert "was not checked" in as_html(gather(written.log.records(), agent="bot", config=Config()))


def test_html_stands_alone_and_holds_any_text(written: Book) -> None:
    text = as_html(made(written))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"(src|href)=", text)
    root = ElementTree.fromstring(text.partition("<body>")[2].partition("</body>")[0])
    assert [h.text for h in root.iter("h2")] == [
        "The agent and its record",
        "What it did",
        "Who oversaw it",
        "How well that worked",
        "What people corrected",
        "Incidents",
        "What it may do alone",
        "What is not in here",
    ]
    charts = list(root.iter("{http://www.w3.org/2000/svg}svg"))
    assert [chart.get("aria-label") for chart in charts] == [
        "Calls a day by verdict, and how many people were asked about",
        "How long people looked",
    ]
    told = [title.text for title in charts[0].iter("{http://www.w3.org/2000/svg}title")]
    assert "2026-01-06: 1 deny" in told


def test_markdown_has_its_charts_beside_it_and_holds_any_text(written: Book) -> None:
    text, charts = as_markdown(made(written), "bot")
    assert sorted(charts) == ["bot-calls.svg", "bot-looks.svg"]
    assert all(ElementTree.fromstring(svg).tag.endswith("svg") for svg in charts.values())
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert "<script" not in html
    assert re.findall(r"<img src=\"([^\"]*)\"", html) == sorted(charts)
    assert "<a " not in html
    alone, none = as_markdown(made(written))
    assert none == {}
    assert ".svg" not in alone


def test_an_agent_whom_nobody_oversaw(book: Book) -> None:
    book.decision("a", verdict="allow", risk="low")
    book.close()
    text = as_html(made(book))
    assert "Nobody was asked, or nobody answered." in text
    assert "None was reported." in text
    assert "Nothing was earned or set" in text


def test_what_people_did_to_its_autonomy(written: Book) -> None:
    written.note("", 3 * DAY, autonomy={"action": "freeze", "by": "ann", "reason": "odd"})
    written.close()
    text = as_html(made(written))
    assert ">freeze</td>" in text
    assert ">odd</td>" in text
