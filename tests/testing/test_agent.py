"""Running the real CLI in a sandbox."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions

from hitl_opa.testing import Sandbox, run_agent, tool_use


def test_a_sandbox_is_removed_unless_it_was_given(tmp_path: Any) -> None:
    with Sandbox() as own:
        assert own.write("a/b.txt", "x").read_text() == "x"
        assert own.files() == {"a/b.txt"}
        assert {own.home, own.config, own.cwd} == set(own.root.iterdir())
    assert not own.root.exists()
    with Sandbox(tmp_path / "given") as given:
        pass
    assert given.cwd.is_dir()


def test_nothing_of_the_hosts_agent_comes_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("CLAUDE_CODE_USE_BEDROCK", "1")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "real")
    env = Sandbox(tmp_path).env("http://127.0.0.1:1")
    assert (env["CLAUDE_CODE_USE_BEDROCK"], env["ANTHROPIC_AUTH_TOKEN"]) == ("", "")
    assert env["HOME"].startswith(str(tmp_path.resolve()))
    assert (env.get("IS_SANDBOX") == "1") is (os.geteuid() == 0)


@pytest.mark.cli
async def test_what_ran_and_what_did_not() -> None:
    run = await run_agent(
        [
            tool_use("Bash", command="echo hello"),
            tool_use("Bash", command="cat missing"),
            tool_use("Bash", command="touch made"),
            tool_use("NoSuchTool"),
            "bye",
        ],
        ClaudeAgentOptions(setting_sources=[]),
    )
    hello, fails, asks, unknown = run.calls
    assert (hello.ran, hello.failed, hello.told, hello.ran_with) == (True, False, "hello", {"command": "echo hello"})
    assert (fails.ran, fails.failed) == (True, True)
    assert (asks.ran, asks.is_error, asks.ran_with) == (False, True, {})
    assert not unknown.ran
    assert (run.executed, run.denied) == ([hello, fails], [asks, unknown])
    assert run.result is not None
    assert run.result.result == "bye"
    assert "Bash" in run.tools
    assert run.error is None


@pytest.mark.cli
async def test_what_the_sdk_raises_is_a_result() -> None:
    run = await run_agent(["x"], ClaudeAgentOptions(cli_path="/no/such/cli"))
    assert "not found" in str(run.error)
    assert run.calls == []


@pytest.mark.cli
async def test_an_agent_that_does_not_end_is_given_up() -> None:
    def stuck(_: Any) -> str:
        import time

        time.sleep(3)
        return "late"

    with pytest.raises(TimeoutError, match="had not ended"):
        await run_agent([stuck], timeout=1.5)


@pytest.mark.cli
async def test_something_may_happen_meanwhile() -> None:
    done: list[str] = []

    async def during(client: Any) -> None:
        await client.set_permission_mode("plan")
        await asyncio.sleep(0)
        done.append("done")

    await run_agent(["hello"], during=during)
    assert done == ["done"]
