from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hitl_opa import Guard, ToolCall
from hitl_opa.model import Session

RULE = """package hitl.custom

# METADATA
# title: %(id)s
# custom: {id: custom.%(id)s, risk: high, remedy: none}
reasons contains r if {
	some c in input.facts.commands
	c.program == "%(program)s"
	r := {"rule": "custom.%(id)s", "verdict": "%(verdict)s", "risk": "high", "message": "No."}
}
"""
ASKING = RULE % {"id": "asking", "program": "echo", "verdict": "ask"}
LOOSER = RULE % {"id": "looser", "program": "nothing", "verdict": "ask"}
STRICTER = RULE % {"id": "stricter", "program": "ls", "verdict": "deny"}


@pytest.fixture
def recorded(run: Any, tmp_path: Path) -> list[str]:
    """A project with a record of four calls by two agents; what was said of each."""
    for directory, rules in {"asking": [ASKING], "looser": [LOOSER], "stricter": [ASKING, STRICTER]}.items():
        (tmp_path / directory).mkdir()
        for number, rule in enumerate(rules):
            (tmp_path / directory / f"{number}.rego").write_text(rule)
    (tmp_path / "hitl.yaml").write_text("level: 3\npolicies: [asking]\n")
    guard = Guard.open()
    said = []
    for number, command in enumerate(("ls", "ls -la", "echo hi", "rm -rf /")):
        session = Session(id="s", agent_id=f"agent-{number % 2}")
        call = ToolCall(tool="Bash", input={"command": command}, id=f"c{number}", session=session)
        said.append(guard.decide_sync(call))
    guard.audit.close()
    assert [decision.verdict for decision in said] == ["allow", "allow", "ask", "deny"]
    return [decision.reasons[0].rule for decision in said]


def test_the_same_policy_changes_nothing(run: Any, recorded: list[str]) -> None:
    result = run("replay")
    assert result.exit_code == 0
    assert "4 of 4 calls replayed" in result.output
    assert "no verdict changes" in result.output


def test_a_stricter_policy(run: Any, recorded: list[str]) -> None:
    result = run("replay", "--policy", "stricter")
    assert result.exit_code == 0
    assert "tightened  2" in result.output
    assert "allow -> deny x 1" in result.output
    assert "custom.stricter" in result.output
    assert "Bash ls -la" in result.output
    assert run("replay", "--policy", "stricter", "--fail-on", "tightened").exit_code == 1
    summary = json.loads(run("replay", "--policy", "stricter", "--format", "json").stdout)
    assert (summary["tightened"], summary["widened"], summary["same"]) == (2, 0, 2)
    assert [(g["rule"], g["agent"], g["count"]) for g in summary["groups"]] == [
        ("custom.stricter", "agent-0", 1),
        ("custom.stricter", "agent-1", 1),
    ]


def test_a_looser_policy_fails_by_default(run: Any, recorded: list[str]) -> None:
    result = run("replay", "--policy", "looser", "--format", "json")
    assert result.exit_code == 1
    (group,) = [g for g in json.loads(result.stdout)["groups"] if g["direction"] == "widened"]
    assert group["rule"] == recorded[2] == "custom.asking"
    assert group["moves"] == {"ask -> allow": 1}
    assert group["examples"][0]["what"] == "echo hi"
    assert run("replay", "--policy", "looser", "--fail-on", "nothing").exit_code == 0


def test_another_settings_file_and_another_level(run: Any, recorded: list[str], tmp_path: Path) -> None:
    (tmp_path / "branch").mkdir()
    (tmp_path / "branch" / "hitl.yaml").write_text("policies: [../stricter]\n")
    for policy in ("branch", "branch/hitl.yaml"):
        assert "tightened  2" in run("replay", "--policy", policy).output
    both = run("replay", "--policy", "branch", "--policy", "stricter")
    assert both.exit_code == 2
    assert "either one hitl.yaml, or rules" in both.stderr
    assert "tightened" in run("replay", "--level", "1").output


def test_a_policy_that_does_not_load(run: Any, recorded: list[str], tmp_path: Path) -> None:
    (tmp_path / "looser" / "0.rego").write_text("package hitl.custom\n\nnonsense {")
    result = run("replay", "--policy", "looser")
    assert result.exit_code == 2
    assert "0.rego:3" in result.stderr


def test_only_some_records(run: Any, recorded: list[str]) -> None:
    assert "1 of 1 calls" in run("replay", "--verdict", "deny").output
    assert "2 of 2 calls" in run("replay", "--agent", "agent-1").output
    assert "0 of 0 calls" in run("replay", "--before", "2001-01-01").output


def test_calls_that_cannot_be_replayed_are_counted(run: Any, recorded: list[str]) -> None:
    run("audit", "erase", "--agent", "agent-0", "--yes")
    result = run("replay")
    assert "2 of 4 calls replayed" in result.output
    assert "2  its payload was erased" in result.output


def test_reports(run: Any, recorded: list[str], tmp_path: Path) -> None:
    result = run(
        *("replay", "--policy", "stricter", "--format", "markdown", "-o", "replay.md"),
        *("--also", "junit=replay.xml", "--also", "sarif=replay.sarif", "--also", "json=replay.json"),
    )
    assert (result.exit_code, result.output) == (0, "")
    assert "**2 tightened**" in (tmp_path / "replay.md").read_text()
    suite = ElementTree.parse(tmp_path / "replay.xml").getroot()
    assert suite is not None
    assert suite.get("failures") == "0"
    sarif = json.loads((tmp_path / "replay.sarif").read_text())
    places = [r["locations"][0]["physicalLocation"] for r in sarif["runs"][0]["results"]]
    assert places[0] == {"artifactLocation": {"uri": "stricter/1.rego"}, "region": {"startLine": 3}}
    assert json.loads((tmp_path / "replay.json").read_text())["tightened"] == 2
    assert "write FORMAT=FILE" in run("replay", "--also", "pdf=x").stderr


def test_an_export_and_another_file(run: Any, recorded: list[str], tmp_path: Path) -> None:
    run("audit", "export", "-o", "export.jsonl")
    (tmp_path / ".hitl" / "hitl.db").unlink()
    assert "tightened  2" in run("replay", "export.jsonl", "--policy", "stricter").output
    assert "filters choose from the record" in run("replay", "export.jsonl", "--tool", "Bash").stderr


def test_calls_without_a_decision_are_compared_with_the_policy_of_now(
    run: Any, recorded: list[str], tmp_path: Path
) -> None:
    (tmp_path / "calls.jsonl").write_text('{"tool":"Bash","input":{"command":"ls"},"session":{"id":"x"}}\n' * 3)
    alone = json.loads(run("replay", "calls.jsonl", "--format", "json").stdout)
    assert (alone["undecided"], alone["verdicts"]) == (3, {"before": {}, "after": {"allow": 3}})
    compared = json.loads(run("replay", "calls.jsonl", "--policy", "stricter", "--format", "json").stdout)
    assert (compared["tightened"], compared["verdicts"]["before"]) == (3, {"allow": 3})
    assert any("read now" in note for note in compared["notes"])


def test_several_processes(run: Any, recorded: list[str]) -> None:
    assert "tightened  2" in run("replay", "--policy", "stricter", "--jobs", "2").output
