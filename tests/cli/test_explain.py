from __future__ import annotations

import json
from typing import Any

import pytest

from hitl_opa import Guard, ToolCall


def explained(run: Any, *arguments: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(run("explain", *arguments, "--json").stdout)
    return result


def test_a_person_reads_facts_rules_and_changes(run: Any) -> None:
    result = run("explain", "Bash", "command=rm -rf / && git push --force origin main", "--level", "3")
    assert result.exit_code == 0
    shown = result.output
    assert shown.startswith("DENY")
    for part in (
        "What the call does",
        "! delete /",
        "runs  git push --force origin main",
        "Rules that fired",
        "files.root",
        "What would change it",
        "level      1 DENY",
        "Rules that nearly fired",
    ):
        assert part in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_levels_and_modes_are_asked_of_policy(run: Any) -> None:
    found = explained(run, "Write", "file_path=a.py", "content=x", "--level", "2")
    levels = {v["what"]: v["decision"]["verdict"] for v in found["changes"]["levels"]}
    assert levels == {"level 1": "ask", "level 2": "ask", "level 3": "allow", "level 4": "allow"}
    modes = {v["what"]: v["decision"]["verdict"] for v in found["changes"]["modes"]}
    assert modes["mode acceptEdits"] == "allow"
    assert modes["mode plan"] == "deny"
    assert modes["nobody to ask"] == "deny"


def test_the_effect_that_makes_the_difference_is_named(run: Any) -> None:
    found = explained(run, "Bash", "command=cat a.txt; rm -rf /", "--level", "3")
    without = {v["what"]: v["decision"]["verdict"] for v in found["changes"]["without"]}
    assert found["decision"]["verdict"] == "deny"
    assert without["without: delete /"] != "deny"
    assert without["without: read a.txt"] == "deny"


def test_rules_that_nearly_fired_say_what_was_missing(run: Any) -> None:
    found = explained(run, "Write", "file_path=a.py", "content=x", "--level", "3")
    near = {n["reason"]["rule"]: n["if"] for n in found["near"]}
    assert "the place of a.py were guard" in near["self.guard"]
    fired = {r["rule"] for r in found["decision"]["reasons"]}
    assert not fired & set(near)


def test_own_rules_that_nearly_fired_come_first(run: Any) -> None:
    run("init", "--level", "3")
    found = explained(run, "Bash", "command=cat uv.lock")
    assert "custom.lockfile" not in [r["rule"] for r in found["decision"]["reasons"]]
    assert found["near"] == sorted(found["near"], key=lambda n: n["reason"]["pack"] != "custom")


def test_a_recorded_call_is_explained_on_its_recorded_facts(run: Any) -> None:
    run("init", "--level", "3")
    guard = Guard.open()
    decision = guard.decide_sync(ToolCall(tool="Bash", input={"command": "rm -rf /"}, id="toolu_1"))
    guard.audit.close()
    found = explained(run, "--id", "toolu_1")
    assert found["decision"]["reasons"][0]["rule"] == decision.reasons[0].rule
    assert found["document"]["call"]["id"] == "toolu_1"
    assert explained(run, "--id", "toolu_1", "--level", "1")["document"]["agent"]["level"] == 1
    missing = run("explain", "--id", "nope")
    assert missing.exit_code == 2
    assert "hitl-opa audit tail" in missing.stderr


def test_a_call_that_the_guard_itself_refuses(run: Any) -> None:
    result = run("explain", "mcp__x__y", '{"a":' * 500 + "1" + "}" * 500)
    assert result.exit_code == 1
    assert "guard.call-refused" in run("decide", "mcp__x__y", '{"a":' * 500 + "1" + "}" * 500).output
    result = run("explain", "mcp__x__y", '{"a":' * 5000 + "1" + "}" * 5000)
    assert result.exit_code == 2
    assert "not a JSON object" in result.stderr


@pytest.mark.parametrize("arguments", [["explain"], ["explain", "Bash", "command=ls", "--id", "x"]])
def test_usage(run: Any, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "give one TOOL" in result.stderr
