from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hitl_opa import Guard, ToolCall


@pytest.fixture
def recorded(run: Any, tmp_path: Path) -> None:
    (tmp_path / "hitl.yaml").write_text("level: 3\nagent: bot\n")
    guard = Guard.open()
    for command in ("ls", "rm -rf /"):
        guard.decide_sync(ToolCall(tool="Bash", input={"command": command}))
    guard.audit.close()


@pytest.mark.usefixtures("recorded")
def test_html(run: Any, tmp_path: Path) -> None:
    result = run("report", "--agent", "bot", "--since", "30d", "-o", "bot.html")
    assert result.exit_code == 0
    assert "bot.html: 2 calls of bot" in result.output
    text = (tmp_path / "bot.html").read_text()
    assert "<h1>Oversight record of bot</h1>" in text
    assert "was verified: no record was changed" in text
    assert run("report", "--agent", "bot").stdout.startswith("<!doctype html>")
    assert "was not checked" in run("report", "--agent", "bot", "--no-verify").stdout


@pytest.mark.usefixtures("recorded")
def test_markdown(run: Any, tmp_path: Path) -> None:
    assert run("report", "--agent", "bot", "--format", "markdown", "-o", "bot.md").exit_code == 0
    assert "![Calls a day by verdict" in (tmp_path / "bot.md").read_text()
    assert (tmp_path / "bot-calls.svg").read_text().startswith("<svg")
    assert ".svg" not in run("report", "--agent", "bot", "--format", "markdown").stdout


@pytest.mark.usefixtures("recorded")
def test_nothing_to_report(run: Any) -> None:
    for arguments in (("--agent", "other"), ("--agent", "bot", "--until", "2001-01-01")):
        result = run("report", *arguments)
        assert result.exit_code == 2
        assert "no calls of" in result.stderr
