from __future__ import annotations

import json
from pathlib import Path

import pytest
from book import Book
from click.testing import CliRunner

from hitl_opa.audit import AuditLog
from hitl_opa.cli.root import cli


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with AuditLog.open(tmp_path / "hitl.db", labels={"agent": "bot"}) as log:
        book = Book(log)
        for n in range(60):
            asks = n % 2 == 1
            book.decision(f"d{n}", n, "ask" if asks else "allow", tool="Bash" if asks else "Read", rules=["tiers.tool"])
            if asks:
                book.review(f"d{n}", n, "approve", ms=500)
        book.close()
    return tmp_path / "hitl.db"


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["metrics", *map(str, arguments)], env={"NO_COLOR": "1"})
    return result.exit_code, result.output


def test_says_what_is_outside_its_target(record: Path) -> None:
    code, text = run("--db", record)
    assert code == 0
    assert "60 calls" in text
    assert "50.0 %" in text
    assert "escalation: people see too many calls" in text
    assert "rubber stamp: approvals come faster than anybody reads" in text


def test_exit_code_for_a_scheduled_job(record: Path, tmp_path: Path) -> None:
    assert run("--db", record, "--check")[0] == 1
    (tmp_path / "hitl.yaml").write_text(
        "targets:\n  escalation: {low: 0.4, high: 0.6}\n  rubber_stamp: {high: 1}\n  override: {low: 0}\n"
    )
    assert run("--db", record, "--check")[0] == 0


def test_json_has_measures_alerts_and_groups(record: Path) -> None:
    said = json.loads(run("--db", record, "--json", "--by", "tool")[1])
    assert said["measures"]["escalation"] == {"hits": 30, "of": 60}
    assert {a["name"] for a in said["alerts"]} == {"escalation", "rubber_stamp"}
    assert said["groups"]["Read"]["calls"] == 30


def test_a_row_for_each(record: Path) -> None:
    for by, name in [("tool", "Read"), ("rule", "tiers.tool"), ("reviewer", "ann"), ("day", "2026-01-05")]:
        assert name in run("--db", record, "--by", by)[1]


def test_since_and_filters(record: Path) -> None:
    assert "The record has no calls" in run("--db", record, "--since", "2027-01-01")[1]
    assert "30 calls" in run("--db", record, "--tool", "Read")[1]


def test_what_prometheus_reads(record: Path) -> None:
    assert 'hitl_policy_decisions_total{agent="bot",outcome="ask"' in run("--db", record, "--prometheus")[1]


def test_prometheus_reads_the_earned_levels_as_it_does_from_the_server(record: Path, tmp_path: Path) -> None:
    (tmp_path / "hitl.yaml").write_text(f"audit: {record}\nagent: bot\nautonomy: {{earn: true}}\n")
    done = CliRunner().invoke(cli, ["autonomy", "set", "Write", "medium", "--level", "3", "--reason", "before"])
    assert done.exit_code == 0, done.output
    CliRunner().invoke(cli, ["autonomy", "apply"])
    assert 'hitl_autonomy_level{agent="bot",risk="medium",tool="Write"} 3.0' in run("--prometheus")[1]


def test_no_record_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, text = run()
    assert code == 2
    assert "there is no record yet" in text


def test_trust_is_what_people_do_and_apart_from_it_what_they_say(record: Path) -> None:
    from hitl_opa.metrics.survey import rate

    with AuditLog.open(record, labels={"agent": "bot"}) as log:
        for who, score in (("ann", 2), ("bob", 5), ("ann", 4)):  # ann changed her mind
            rate(log, who, "bot", score)
        rate(log, "ann", "other", 1)
        book = Book(log)
        for n in range(20):
            book.decision(f"real{n}", 100 + n)
            book.review(f"real{n}", 100 + n, "approve" if n else "reject", ("ann", "bob")[n % 2], ms=30_000)
        book.close()
    found = json.loads(run("--db", record, "--agent", "bot", "--json")[1])
    assert found["survey"] == {"n": 2, "mean": 4.5, "scores": {"1": 0, "2": 0, "3": 0, "4": 1, "5": 1}}
    (row,) = found["trust"]
    assert (row["tool"], row["successes"], row["failures"]) == ("Bash", 19, 1)
    assert row["lower_bound"] == pytest.approx(0.7839, abs=1e-4)  # R: binom.test(19, 20, alternative = "greater")
    told = run("--db", record, "--agent", "bot")[1]
    assert "at least 78 % (95 % sure)" in told
    assert "4.5 of 5, from 2" in told
    assert json.loads(run("--db", record, "--agent", "other", "--json")[1])["survey"]["mean"] == 1
