"""The guard's hooks in a settings file: in, again, another kind, out, and everything else as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from hitl_opa.claude.code.settings import dump, hooks, merged, parse, without
from hitl_opa.cli import cli
from hitl_opa.errors import ConfigError

Run = Callable[..., Result]
OURS = hooks("command", seconds=10, root=Path("/p"), socket=Path("/p/s"), url="")
THEIRS: dict[str, Any] = {
    "model": "opus",
    "hooks": {
        "PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": "lint"}]}],
        "Stop": [],
    },
    "permissions": {"deny": ["Read(./.env)"]},
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    from click.testing import CliRunner

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return lambda *arguments, **more: CliRunner().invoke(cli, ["init", "--claude-code", *arguments], **more)


def test_every_call_is_matched_and_a_failure_blocks() -> None:
    (matcher,) = OURS["PreToolUse"]
    (hook,) = matcher["hooks"]
    assert (matcher["matcher"], hook["onFailure"]) == ("*", "block")
    assert float(hook["command"].rsplit(" ", 1)[1]) < hook["timeout"]
    (hook,) = hooks("http", seconds=10, root=Path("/p"), socket=Path("/p/s"), url="http://h:1/")["PreToolUse"][0][
        "hooks"
    ]
    assert (hook["url"], hook["onFailure"]) == ("http://h:1/hooks/claude-code", "block")


def test_sessions_are_told_where_claude_code_asks_when_they_start() -> None:
    assert "onFailure" not in OURS["SessionStart"][0]["hooks"][0]  # a session without calls does no harm
    assert "SessionStart" not in hooks("http", seconds=10, root=Path("/p"), socket=Path("/p/s"), url="http://h:1")


def test_everything_else_stays_and_comes_back() -> None:
    new = merged(THEIRS, OURS)
    assert new["hooks"]["PreToolUse"] == [*THEIRS["hooks"]["PreToolUse"], *OURS["PreToolUse"]]
    assert {k: v for k, v in new.items() if k != "hooks"} == {k: v for k, v in THEIRS.items() if k != "hooks"}
    assert merged(new, OURS) == new
    assert without(new) == THEIRS
    assert without(merged({}, OURS)) == {}
    assert without(THEIRS) == THEIRS


def test_a_hook_beside_ours_in_one_matcher_is_kept() -> None:
    ours = OURS["PreToolUse"][0]["hooks"][0]
    mixed = {"hooks": {"PreToolUse": [{"matcher": "*", "hooks": [ours, {"type": "command", "command": "x"}]}]}}
    assert without(mixed) == {
        "hooks": {"PreToolUse": [{"matcher": "*", "hooks": [{"type": "command", "command": "x"}]}]}
    }


def test_another_kind_replaces_the_first() -> None:
    alone = hooks("alone", seconds=10, root=Path("/p"), socket=Path("/p/s"), url="")
    assert merged(merged(THEIRS, OURS), alone) == merged(THEIRS, alone)


@pytest.mark.parametrize(
    "settings",
    [{"disableAllHooks": True}, {"hooks": []}, {"hooks": {"PreToolUse": {}}}],
)
def test_what_would_switch_the_hooks_off_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        merged(settings, OURS)


def test_urls_that_the_settings_do_not_allow_are_refused() -> None:
    http = hooks("http", seconds=1, root=Path("/p"), socket=Path("/p/s"), url="http://h:1")
    with pytest.raises(ConfigError, match="http://h:1/hooks/claude-code"):
        merged({"allowedHttpHookUrls": ["http://other"]}, http)
    assert merged({"allowedHttpHookUrls": ["http://h:1/hooks/claude-code"]}, http)["hooks"]


@pytest.mark.parametrize("text", ['{\n    "a": "é"\n}\n', '{\n\t"a": {\n\t\t"b": 1\n\t}\n}', "{}\n"])
def test_the_files_own_style_is_kept(text: str) -> None:
    assert dump(parse(text), like=text) == text


# --- the command


@pytest.mark.parametrize(
    "before",
    [None, "", "{}", '{"hooks": {}}\n', json.dumps(THEIRS), json.dumps(THEIRS, indent="\t") + "\n", '{ "odd" :1 }\n\n'],
)
def test_it_undoes_exactly(run: Run, tmp_path: Path, before: str | None) -> None:
    file = tmp_path / ".claude" / "settings.json"
    if before is not None:
        file.parent.mkdir()
        file.write_text(before)
    assert run("--yes").exit_code == 0
    assert "hook.py" in file.read_text()
    assert run("--alone", "--yes").exit_code == 0
    assert run("--remove", "--yes").exit_code == 0
    assert (file.read_text() if file.exists() else None) == before
    assert file.parent.exists() == (before is not None)


def test_again_changes_nothing(run: Run, tmp_path: Path) -> None:
    run("--yes")
    file = tmp_path / ".claude" / "settings.json"
    first = file.read_text()
    result = run()
    assert (result.exit_code, result.stdout.split()[0]) == (0, "unchanged")
    assert file.read_text() == first
    run("--remove", "--yes")
    assert run("--remove").stdout.split()[0] == "unchanged"


def test_it_shows_the_change_and_asks_back(run: Run, tmp_path: Path) -> None:
    file = tmp_path / ".claude" / "settings.json"
    for said in ("n\n", ""):
        result = run(input=said)
        assert '+    "PreToolUse": [' in result.stdout
        assert not file.exists()
    assert run(input="y\n").exit_code == 0
    assert file.exists()


def test_what_was_added_meanwhile_stays(run: Run, tmp_path: Path) -> None:
    file = tmp_path / ".claude" / "settings.json"
    file.parent.mkdir()
    file.write_text('{"a": 1}')
    run("--yes")
    file.write_text(json.dumps({**json.loads(file.read_text()), "b": 2}))
    run("--remove", "--yes")
    assert json.loads(file.read_text()) == {"a": 1, "b": 2}


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "\x00"])
def test_a_file_that_is_no_settings_is_left_alone(run: Run, tmp_path: Path, text: str) -> None:
    file = tmp_path / ".claude" / "settings.json"
    file.parent.mkdir()
    file.write_text(text)
    result = run("--yes")
    assert result.exit_code == 2
    assert "no settings" in result.stderr
    assert file.read_text() == text


def test_it_sets_up_a_project_that_has_no_settings(run: Run, tmp_path: Path) -> None:
    result = run("--yes", "--json")
    assert json.loads(result.stdout)["done"] == "wrote"
    assert (tmp_path / "hitl.yaml").exists()
    (tmp_path / "hitl.yaml").write_text("level: 9\n")
    assert run("--yes").exit_code == 2
