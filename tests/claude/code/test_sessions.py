"""Claude Code as it is, on the real CLI: hooks in its settings, and nothing else between the model and the tools."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions
from commands import cli

from hitl_opa.audit import AuditLog
from hitl_opa.claude.code.settings import HOOK, hooks
from hitl_opa.testing import AgentRun, Sandbox, run_agent, tool_use

pytestmark = pytest.mark.cli

Agent = Callable[..., Awaitable[AgentRun]]


@pytest.fixture
def code(sandbox: Sandbox) -> Agent:
    """Claude Code in a project whose settings it loads, with every permission: only a hook can stop a call."""

    async def run(*turns: Any, **env: str) -> AgentRun:
        options = ClaudeAgentOptions(setting_sources=["project"], permission_mode="bypassPermissions", env=env)
        return await run_agent([*turns, "done"], options, sandbox=sandbox)

    return run


def wired(sandbox: Sandbox, *how: str) -> None:
    cli("init", "--claude-code", "--level", "3", *how, "--yes", cwd=sandbox.cwd)


async def obeys(code: Agent, sandbox: Sandbox, **env: str) -> None:
    """One call runs, one is denied, and the record says so of both."""
    run = await code(
        tool_use("Bash", command="touch made"),
        tool_use("Bash", command="rm -rf ~"),  # a throw-away one, should it really run
        tool_use("Read", file_path=str(sandbox.cwd / "hitl.yaml")),
        **env,
    )
    assert [call.ran for call in run.calls] == [True, False, True], [call.told for call in run.calls]
    assert "risk critical" in run.calls[1].told
    assert sandbox.home.is_dir()
    with AuditLog.open(sandbox.cwd / ".hitl" / "hitl.db", readonly=True) as log:
        records = list(log.records())
        assert log.verify().ok
    decided = [(r.get("tool"), r.get("verdict")) for r in records if r.kind == "decision"]
    assert decided == [("Bash", "allow"), ("Bash", "deny"), ("Read", "allow")]
    ended = {r.get("call_id"): r.get("outcome") for r in records if r.kind == "outcome"}
    assert [ended[call.id] for call in run.calls] == ["ran", "blocked", "ran"]


async def test_the_command_hook(code: Agent, sandbox: Sandbox, serve: Any) -> None:
    wired(sandbox)
    server = serve(sandbox.cwd)
    await obeys(code, sandbox)
    server.terminate()
    server.wait(30)
    run = await code(tool_use("Bash", command="touch later"))
    assert not run.executed
    assert "hitl-opa serve" in run.calls[0].told
    assert "later" not in sandbox.files()


async def test_the_model_is_told_that_it_is_guarded_and_how_long_an_ask_waits(
    code: Agent, sandbox: Sandbox, serve: Any
) -> None:
    (sandbox.cwd / "hitl.yaml").write_text("level: 3\ndurable: true\nattended: 7\n")
    wired(sandbox)
    serve(sandbox.cwd)
    run = await code(tool_use("Bash", command="touch made"))
    read = json.dumps(run.model.requests[0])
    assert "judged by a policy (hitl-opa) before it runs" in read
    assert "waits up to 7 seconds" in read
    assert [call.ran for call in run.calls] == [True]


async def test_the_http_hook(code: Agent, sandbox: Sandbox, serve: Any) -> None:
    new = cli("keys", "new", "code", "--principal", "ada", "--level", "3", "--json", cwd=sandbox.cwd)
    made = json.loads(new.stdout)
    (sandbox.cwd / "hitl.yaml").write_text(json.dumps({"level": 1, "keys": [made["entry"]]}))
    server = serve(sandbox.cwd)
    wired(sandbox, "--http", "--url", server.url)
    await obeys(code, sandbox, HITL_OPA_KEY=made["key"])
    for key in ("", "hitl_wrong"):
        run = await code(tool_use("Bash", command="touch later"), HITL_OPA_KEY=key)
        assert not run.executed
    server.terminate()
    server.wait(30)
    run = await code(tool_use("Bash", command="touch later"), HITL_OPA_KEY=made["key"])
    assert not run.executed
    assert "later" not in sandbox.files()


async def test_the_hook_that_decides_alone(code: Agent, sandbox: Sandbox) -> None:
    wired(sandbox, "--alone")
    await obeys(code, sandbox)
    (sandbox.cwd / "hitl.yaml").write_text("nonsense: true\n")
    run = await code(tool_use("Bash", command="touch later"))
    assert not run.executed
    assert "later" not in sandbox.files()


def junk(text: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text


FAULTS = {
    "nothing": b"",
    "broken": junk(b"{"),
    "500": junk(b"no", "500 Oops"),
    "slow": None,
    # the CLI itself takes these for no opinion, so over HTTP it is up to our server never to say them
    "empty": junk(b""),
    "no-opinion": junk(b"{}"),
    "no-decision": junk(b'{"hookSpecificOutput": {}}'),
}


@pytest.mark.parametrize(
    ("kind", "fault"), [*(("command", fault) for fault in FAULTS), *(("http", fault) for fault in list(FAULTS)[:4])]
)
async def test_a_server_that_misbehaves_runs_nothing(
    code: Agent, sandbox: Sandbox, fake: Any, fake_http: Any, kind: Any, fault: str
) -> None:
    answer = FAULTS[fault]

    def talk(connection: socket.socket) -> None:
        time.sleep(8) if answer is None else connection.sendall(answer)

    path, url = (fake(talk), "") if kind == "command" else (Path(), fake_http(talk))
    ours = hooks(kind, seconds=1.0, root=sandbox.cwd, socket=path, url=url)
    for matchers in ours.values():
        matchers[0]["hooks"][0]["timeout"] = 3
    sandbox.write(".claude/settings.json", json.dumps({"hooks": {"PreToolUse": ours["PreToolUse"]}}))
    run = await code(tool_use("Bash", command="touch made"), HITL_OPA_KEY="x")
    assert [call.ran for call in run.calls] == [False]
    assert sandbox.files() == {".claude/settings.json"}


@pytest.mark.parametrize("command", ["no-such-python {hook}", "kill -9 $$", f"{sys.executable} -c 1/0"])
async def test_a_hook_that_cannot_run_runs_nothing(code: Agent, sandbox: Sandbox, command: str) -> None:
    ours = hooks("command", seconds=1.0, root=sandbox.cwd, socket=Path("/none"), url="")
    ours["PreToolUse"][0]["hooks"][0]["command"] = command.format(hook=HOOK)
    sandbox.write(".claude/settings.json", json.dumps({"hooks": ours}))
    run = await code(tool_use("Bash", command="touch made"))
    assert [call.ran for call in run.calls] == [False]
    assert "made" not in sandbox.files()


async def test_a_call_waits_in_its_hook_for_whoever_decides(code: Agent, sandbox: Sandbox, serve: Any) -> None:
    (sandbox.cwd / "hitl.yaml").write_text("level: 2\ndurable: true\nattended: 30\n")
    wired(sandbox)
    serve(sandbox.cwd)

    async def decide(word: str) -> None:
        while True:
            waiting = json.loads((await asyncio.to_thread(cli, "approvals", "list", "--json", cwd=sandbox.cwd)).stdout)
            if waiting:
                break
        await asyncio.to_thread(cli, "approvals", word, waiting[0]["id"], *_yes(word), cwd=sandbox.cwd)

    for word, files in (("approve", {"approve"}), ("reject", {"approve"})):
        deciding = asyncio.create_task(decide(word))
        run = await code(tool_use("Bash", command=f"touch {word}"))
        await deciding
        assert {f for f in sandbox.files() if f in ("approve", "reject")} == files, run.calls[0].told
    assert "rejected" in run.calls[0].told
    states = json.loads(cli("approvals", "list", "--all", "--json", cwd=sandbox.cwd).stdout)
    assert sorted(a["state"] for a in states) == ["denied", "executed"]


def _yes(word: str) -> list[str]:
    return ["--yes"] if word == "approve" else ["--reason", "No."]
