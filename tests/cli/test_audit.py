from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hitl_opa import Guard, ToolCall
from hitl_opa.audit import AuditLog, Event, Kind


@pytest.fixture
def recorded(run: Any, tmp_path: Path) -> Path:
    """A project with a record of three calls."""
    run("init", "--level", "3")
    guard = Guard.open()
    for number, command in enumerate(("ls", "rm -rf /", "echo \x1b[2J\u202e > /etc/x")):
        guard.decide_sync(ToolCall(tool="Bash", input={"command": command}, id=f"toolu_{number}"))
    ruling = guard.rule_sync(ToolCall(tool="Read", input={"file_path": "a"}, id="toolu_3"))
    guard.close_call(ruling, "ran", ms=3.0)
    guard.record(Event(kind=Kind.REVIEW, tool="Bash", verdict="reject", reviewer="ann", result={"reason": "no \x07"}))
    guard.audit.close()
    return tmp_path / ".hitl" / "hitl.db"


def test_tail_is_a_line_a_record(run: Any, recorded: Path) -> None:
    result = run("audit", "tail")
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert sum("DENY" in line for line in lines) == 1
    assert any("ran" in line and "Read" in line for line in lines)
    assert any("reject" in line and "by ann" in line for line in lines)
    assert "\x1b[2J" not in result.output
    assert "\u202e" not in result.output
    assert "\x07" not in result.output


def test_tail_filters_and_counts(run: Any, recorded: Path) -> None:
    found = [json.loads(line) for line in run("audit", "tail", "--verdict", "deny", "--json").stdout.splitlines()]
    assert [f["leaf"]["hitl"]["call_id"] for f in found] == ["toolu_1"]
    assert len(run("audit", "tail", "-n", "2", "--json").stdout.splitlines()) == 2
    assert run("audit", "tail", "--since", "2999-01-01").output == ""
    assert len(run("audit", "tail", "--since", "2001-01-01", "--json").stdout.splitlines()) == 6
    bad = run("audit", "tail", "--since", "yesterday")
    assert bad.exit_code == 2
    assert "write 2026-01-31" in bad.stderr


def test_show_tells_everything_about_a_call(run: Any, recorded: Path) -> None:
    result = run("audit", "show", "toolu_3")
    assert result.exit_code == 0
    assert "\ndecision  2" in result.output
    assert "\noutcome  2" in result.output
    assert "- read a (in the workspace)" in result.output
    assert "effects.tier" in result.output
    assert '"file_path": "a"' in result.output
    found = json.loads(run("audit", "show", "toolu_3", "--json").stdout)
    assert [f["leaf"]["hitl"]["kind"] for f in found] == ["decision", "outcome"]
    start = found[0]["leaf"]["decision_id"][:8]
    assert len(json.loads(run("audit", "show", start, "--json").stdout)) == 2


def test_a_call_that_ran_with_another_input_stands_out(run: Any, recorded: Path) -> None:
    guard = Guard.open()
    ruling = guard.rule_sync(ToolCall(tool="Read", input={"file_path": "a"}, id="toolu_9"))
    guard.close_call(ruling, "ran", input={"file_path": "b"})
    guard.audit.close()
    assert "ANOTHER INPUT THAN WAS APPROVED" in run("audit", "tail", "-n", "1").output


def test_tail_follows(recorded: Path, tmp_path: Path) -> None:
    # started in the background by a shell, the tests ignore the signal, and so would the command
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heed}; from hitl_opa.cli import main; main()"
    command = [sys.executable, "-c", code, "audit", "tail", "-n", "0", "-f", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        time.sleep(1.5)  # until it follows: what comes before is not new
        guard = Guard.open(tmp_path / "hitl.yaml")
        guard.decide_sync(ToolCall(tool="Read", input={"file_path": "a"}, id="toolu_new"))
        guard.audit.close()
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
    assert json.loads(line)["leaf"]["hitl"]["call_id"] == "toolu_new"


def test_show_of_nothing(run: Any, recorded: Path) -> None:
    result = run("audit", "show", "nope")
    assert result.exit_code == 2
    assert "hitl-opa audit tail" in result.stderr


def test_a_good_record_verifies(run: Any, recorded: Path) -> None:
    result = run("audit", "verify")
    assert result.exit_code == 0
    assert "verified  6 records" in result.output
    report = json.loads(run("audit", "verify", "--json").stdout)
    assert report["ok"]
    assert report["streams"][0]["root"] in result.output.replace("\n", "").replace(" ", "")


def test_a_changed_record_does_not(run: Any, recorded: Path) -> None:
    with sqlite3.connect(recorded) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("UPDATE audit_leaf SET leaf = replace(leaf, '\"deny\"', '\"allow\"')")
    db.close()
    result = run("audit", "verify")
    assert result.exit_code == 1
    assert "CHANGED" in result.output
    assert "edited" in result.output
    assert not json.loads(run("audit", "verify", "--json").stdout)["ok"]


def test_an_export_verifies_alone(run: Any, recorded: Path, tmp_path: Path) -> None:
    with AuditLog.open(recorded, readonly=True) as log:
        (tmp_path / "export.jsonl").write_text("\n".join(log.export()))
    assert run("audit", "verify", "export.jsonl").exit_code == 0
    text = (tmp_path / "export.jsonl").read_text()
    (tmp_path / "export.jsonl").write_text(text.replace('"deny"', '"allow"'))
    assert run("audit", "verify", "export.jsonl").exit_code == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [(None, "there is no record yet"), ("audit: ':memory:'\n", "in memory only"), ("nonsense: 1\n", "nonsense")],
)
def test_no_record(run: Any, tmp_path: Path, settings: str | None, said: str) -> None:
    if settings is not None:
        (tmp_path / "hitl.yaml").write_text(settings)
    for command in (["tail"], ["verify"], ["show", "x"]):
        result = run("audit", *command)
        assert result.exit_code == 2
        assert said in result.stderr


def test_a_file_that_is_no_record(run: Any, tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("this is no database, whatever its name says" * 100)
    result = run("audit", "verify", "--db", "x.db")
    assert result.exit_code in {1, 2}
    assert "Traceback" not in result.output


EARNED = {"agent": "bot", "version": "", "tool": "B", "risk": "low", "level": 2}
FREEZE = {"action": "freeze", "by": "olga", "reason": "odd nights"}


@pytest.mark.parametrize(
    ("extra", "detail", "line"),
    [
        ({"autonomy": FREEZE}, None, "olga: freeze, odd nights"),
        ({"earned": EARNED}, {"why": "w"}, "bot: level 2 at low risk: w"),
        ({"alarm": "metric x", "state": "began"}, {"message": "too many"}, "alarm began: too many"),
        ({"alarm": "metric x", "state": "ended"}, None, "alarm ended: metric x"),
        ({"incident": 3}, {"note": "n\x1b[2J"}, "incident, severity 3, said ann: n<"),
        ({"rating": 4, "rated": "bot"}, None, "ann trusts bot 4 of 5"),
        ({"adopted": ["a", "b"], "rule": "r.rego"}, None, "adopted r.rego, made from 2 decisions"),
        ({"notified": "slack", "result": "sent"}, {"title": "1 waits"}, "slack: sent 1 waits"),
        ({"approval": "a", "viewed": True}, None, "ann looked at it"),
        ({}, {"anything": "else"}, "{'anything': 'else'}"),
    ],
)
def test_what_is_neither_decision_nor_answer_is_told_in_a_line(
    run: Any, tmp_path: Path, extra: dict[str, Any], detail: Any, line: str
) -> None:
    with AuditLog.open(tmp_path / ".hitl" / "hitl.db") as log:
        log.append(Event(kind=Kind.NOTE, reviewer="ann", extra=extra, detail=detail))
    told = run("audit", "tail").output
    assert line in told
    assert "\x1b" not in told
