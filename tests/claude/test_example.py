"""The guide's exercise runs, offline, and does what it says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions

from hitl_opa.testing import Sandbox, ScriptedModel, ScriptedReviewer, tool_use

EXAMPLE = Path("examples/permission_gated_agent.py")
QUESTION: dict[str, Any] = {
    "question": "Deploy where?",
    "header": "Where",
    "multiSelect": False,
    "options": [{"label": "staging", "description": "safe"}, {"label": "production", "description": "real"}],
}


@pytest.fixture
def example(request: pytest.FixtureRequest) -> ModuleType:
    file = request.config.rootpath / EXAMPLE
    spec = importlib.util.spec_from_file_location("permission_gated_agent", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.cli
async def test_it_does_what_it_says(
    example: ModuleType, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(sandbox.cwd)
    sandbox.write("app.py", "print('hello')\n")
    reviewer = ScriptedReviewer("reject", replies={"Deploy where?": "staging"})
    turns = [
        tool_use("Read", file_path="app.py"),
        tool_use("Write", file_path="notes.txt", content="fine"),
        tool_use("Write", file_path=".env", content="TOKEN=x"),
        tool_use("Bash", command="rm -rf /"),
        tool_use("AskUserQuestion", questions=[QUESTION]),
        tool_use("Bash", command="kubectl apply -f deploy.yaml"),
        "All done.",
    ]
    with ScriptedModel(turns) as model:
        options = ClaudeAgentOptions(
            cwd=sandbox.cwd,
            env=sandbox.env(model.url),
            disallowed_tools=["Bash(rm:*)", "Bash(kubectl:*)"],  # a net below the guard
        )
        await example.run("go", options, reviewer)
        told = model.results()
    said = capsys.readouterr().out
    assert "All done." in said
    assert "The record verifies." in said
    assert {name for name in sandbox.files() if not name.startswith(".hitl/")} == {"app.py", "notes.txt"}
    errors = [told[call["id"]].is_error for call in model.calls]
    assert errors == [False, False, True, True, False, True]
    assert '="staging"' in told[model.calls[4]["id"]].text
    assert [request.call.tool for request in reviewer.requests] == ["Write", "Bash"]


def test_it_is_short(request: pytest.FixtureRequest) -> None:
    assert len((request.config.rootpath / EXAMPLE).read_text().splitlines()) < 60
