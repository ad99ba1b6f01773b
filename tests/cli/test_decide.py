from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def test_a_person_reads_verdict_rules_and_remedies(run: Any) -> None:
    result = run("decide", "Bash", "command=rm -rf /")
    assert result.exit_code == 0
    assert result.output.startswith("DENY   risk critical")
    assert "[files.root]" in result.output
    assert "instead:" in result.output
    assert max(map(len, result.output.splitlines())) <= 80


def test_json(run: Any) -> None:
    decision = json.loads(run("decide", "Read", "file_path=a", "--level", "2", "--json").stdout)
    assert decision["verdict"] == "allow"
    assert decision["policy"]["revision"]


def test_the_input_may_be_json(run: Any) -> None:
    result = run("decide", "Write", '{"file_path": ".env", "content": "x"}', "--level", "3", "--json")
    assert json.loads(result.stdout)["verdict"] == "ask"


@pytest.mark.parametrize(("level", "verdict"), [("1", "ask"), ("2", "ask"), ("3", "allow"), ("4", "allow")])
def test_level(run: Any, level: str, verdict: str) -> None:
    result = run("decide", "Write", "file_path=a.py", "content=x", "--level", level, "--json")
    assert json.loads(result.stdout)["verdict"] == verdict


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--mode", "plan"], "modes.plan"),
        (["--confidence", "0.6"], "confidence.clarify"),
        (["--unattended", "--level", "1"], "modes.unattended"),
    ],
)
def test_what_is_said_of_the_session_counts(run: Any, options: list[str], rule: str) -> None:
    result = run("decide", "Write", "file_path=a.py", "content=x", "--level", "3", *options, "--json")
    assert rule in [r["rule"] for r in json.loads(result.stdout)["reasons"]]


@pytest.mark.parametrize(
    ("command", "code"), [("cat a.txt", 0), ("curl -d @a https://example.com", 10), ("rm -rf /", 20)]
)
def test_exit_code(run: Any, command: str, code: int) -> None:
    assert run("decide", "Bash", f"command={command}", "--level", "3", "--exit-code").exit_code == code


def test_jsonl_answers_every_line_and_goes_on_after_a_bad_one(run: Any) -> None:
    lines = [
        '{"id": "1", "tool": "Bash", "input": {"command": "rm -rf /"}}',
        "",
        "not json",
        '{"id": "3", "tool": "Bash", "input": {"command": "ls"}, "level": 4}',
        '{"id": "4", "tool": "Read", "input": {"file_path": "a"}}',
    ]
    result = run("decide", "--jsonl", "--level", "2", input="\n".join(lines))
    replies = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(r["id"], r["verdict"], "error" in r) for r in replies] == [
        ("1", "deny", False),
        ("", "deny", True),
        ("3", "deny", True),
        ("4", "allow", False),
    ]
    assert replies[0]["reasons"][0]["rule"] == "files.root"
    assert "line 3" in replies[1]["error"]
    assert "level" in replies[2]["error"]
    assert result.exit_code == 1
    assert "2 line(s) were no tool call" in result.stderr


def test_jsonl_without_bad_lines_ends_well(run: Any) -> None:
    result = run("decide", "--jsonl", input='{"tool": "Read", "input": {}}\n')
    assert result.exit_code == 0
    assert result.stderr == ""


def test_nothing_is_recorded(run: Any, tmp_path: Path) -> None:
    run("decide", "Bash", "command=ls")
    assert list(tmp_path.iterdir()) == []


def test_what_a_call_holds_does_not_drive_the_terminal(run: Any) -> None:
    result = run("decide", "Write", "file_path=/etc/\x1b[2J\u202ex", "content=x", "--level", "3", color=True)
    assert "\x1b[2J" not in result.output
    assert "\u202e" not in result.output
    assert "<U+202E>" in result.output


def test_colour_is_for_terminals_and_no_color_wins(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in run("decide", "Bash", "command=ls").output
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" in run("decide", "Bash", "command=ls").output
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("decide", "Bash", "command=ls").output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["decide"], "give one TOOL with its fields, or --jsonl"),
        (["decide", "Bash", "ls -la"], "neither FIELD=VALUE nor a JSON object; for example: Bash command='ls -la'"),
        (["decide", "Bash", "{nonsense"], "not a JSON object"),
        (["decide", "Bash", "command=ls", "--config", "missing.yaml"], "missing.yaml: No such file"),
        (["decide", "Bash", "command=ls", "--level", "5"], "5 is not in the range"),
        (["decide", "Bash", "command=ls", "--confidence", "2"], "not in the range"),
        (["decide", "Bash", "command=ls", "--policy", "missing"], "no such policy file or directory"),
        (["decide", "Bash", "command=ls", "--engine", "nonsense"], "nonsense"),
    ],
)
def test_errors_say_what_and_where(run: Any, arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_policy_that_does_not_load_is_named_with_its_line(run: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.rego").write_text("package hitl.custom\n\nreasons contains r if {\n")
    result = run("decide", "Bash", "command=ls", "--policy", "bad.rego")
    assert result.exit_code == 2
    assert "bad.rego:" in result.stderr


@pytest.mark.parametrize("record", ["", "database: postgresql://127.0.0.1:9/nowhere\n"])
@pytest.mark.parametrize("command", ["decide", "explain"])
def test_where_approvals_are_kept_it_writes_nothing_all_the_same(
    run: Any, tmp_path: Path, command: str, record: str
) -> None:
    (tmp_path / "hitl.yaml").write_text(f"level: 2\ndurable: true\n{record}")
    result = run(command, "Bash", "command=rm -rf /")
    assert (result.exit_code, "files.root" in result.output) == (0, True)
    assert [path.name for path in tmp_path.iterdir()] == ["hitl.yaml"]
