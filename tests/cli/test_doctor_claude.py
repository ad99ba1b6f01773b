"""What doctor says of the hooks in Claude Code's settings."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from hitl_opa.claude.code.settings import KEY, PATH
from hitl_opa.cli.checks_claude import claude_code
from hitl_opa.config import load_config
from hitl_opa.server.keys import fingerprint

Settings = dict[str, Any]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv(KEY, raising=False)


def checked(folder: Path) -> list[tuple[str, str]]:
    found = claude_code(load_config(folder / "hitl.yaml"), managed=folder / "managed.json")
    return [(check.status, check.detail) for check in found]


def changed(folder: Path, change: Callable[[Settings], None]) -> None:
    file = folder / ".claude" / "settings.json"
    settings = json.loads(file.read_text())
    change(settings)
    file.write_text(json.dumps(settings))


def guarding(settings: Settings) -> Settings:
    hook: Settings = settings["hooks"]["PreToolUse"][0]["hooks"][0]
    return hook


@contextmanager
def listening(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield


def test_without_hooks_there_is_nothing_to_say(run: Any, tmp_path: Path) -> None:
    run("init")
    assert checked(tmp_path) == []
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.json").write_text('{"disableAllHooks": true}')
    assert checked(tmp_path) == []


def test_hooks_as_init_writes_them_hold_while_somebody_listens(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init", "--claude-code", "--yes")
    monkeypatch.chdir(tmp_path)
    assert [status for status, _ in checked(tmp_path)] == ["ok", "fail"]
    with listening(tmp_path / ".hitl" / "hitl.sock"):
        assert [status for status, _ in checked(tmp_path)] == ["ok", "ok"]
    run("init", "--claude-code", "--alone", "--yes")
    assert [status for status, _ in checked(tmp_path)] == ["ok"]
    assert "claude code" in {check["name"] for check in json.loads(run("doctor", "--json").stdout)["checks"]}


def without_block(settings: Settings) -> None:
    del guarding(settings)["onFailure"]


def only_bash(settings: Settings) -> None:
    settings["hooks"]["PreToolUse"][0]["matcher"] = "Bash"


def gone(settings: Settings) -> None:
    guarding(settings)["command"] = guarding(settings)["command"].replace("hook.py", "hook.py.old")


def switched_off(settings: Settings) -> None:
    settings["disableAllHooks"] = True


def impatient(settings: Settings) -> None:
    guarding(settings)["timeout"] = 1


def unrecorded(settings: Settings) -> None:
    del settings["hooks"]["PostToolUse"]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        (without_block, "fail", "calls run while the guard fails"),
        (only_bash, "fail", "asked of Bash only"),
        (gone, "fail", "program is gone"),
        (switched_off, "fail", "disableAllHooks"),
        (impatient, "warn", "another time limit"),
        (unrecorded, "warn", "not those that these settings need"),
    ],
)
def test_hooks_that_would_not_hold(run: Any, tmp_path: Path, change: Any, status: str, words: str) -> None:
    run("init", "--claude-code", "--alone", "--yes")
    changed(tmp_path, change)
    assert any(found == status and words in detail for found, detail in checked(tmp_path)), checked(tmp_path)


@pytest.mark.parametrize("place", [".claude/settings.local.json", "config/settings.json", "managed.json"])
def test_other_files_that_claude_code_reads(run: Any, tmp_path: Path, place: str) -> None:
    run("init", "--claude-code", "--alone", "--yes")
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text('{"disableAllHooks": true}')
    assert any(status == "fail" and place in detail for status, detail in checked(tmp_path))
    (tmp_path / place).write_text("{")
    assert any(status == "fail" and "no settings" in detail for status, detail in checked(tmp_path))


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_over_http_the_key_is_known_and_nobody_elses_to_read(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = HTTPServer(("127.0.0.1", 0), Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    key = {"name": "code", "sha256": fingerprint("hitl_right"), "principal": "ada", "level": 2}
    (tmp_path / "hitl.yaml").write_text(json.dumps({"keys": [key]}))
    run("init", "--claude-code", "--http", "--url", f"http://127.0.0.1:{server.server_port}", "--yes")
    assert [status for status, _ in checked(tmp_path)] == ["ok", "ok", "warn"]
    monkeypatch.setenv(KEY, "hitl_wrong")
    assert [status for status, _ in checked(tmp_path)] == ["ok", "ok", "fail"]
    monkeypatch.setenv(KEY, "hitl_right")
    assert [status for status, _ in checked(tmp_path)] == ["ok", "ok"]
    monkeypatch.delenv(KEY)
    file = tmp_path / ".claude" / "settings.json"
    changed(tmp_path, lambda settings: settings.update(env={KEY: "hitl_right"}))
    file.chmod(0o644)
    assert [(s, "others may read" in d) for s, d in checked(tmp_path)][2:] == [("fail", True)]
    assert not any("hitl_right" in detail for _, detail in checked(tmp_path))
    file.chmod(0o600)
    assert [status for status, _ in checked(tmp_path)] == ["ok", "ok"]
    server.shutdown()
    server.server_close()
    assert [status for status, _ in checked(tmp_path)] == ["ok", "fail"]
    assert PATH in file.read_text()
