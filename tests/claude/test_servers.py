"""In-process MCP tools have a gate of their own: without an allow of the guard for this very call they do nothing."""

from __future__ import annotations

from typing import Any

import pytest
from claude_agent_sdk import create_sdk_mcp_server, tool
from mcp.types import CallToolRequestParams

from hitl_opa.claude.servers import CALL, gated
from hitl_opa.claude.settled import Open, Settled

ran: list[str] = []


@tool("deploy.now", "Deploys.", {"to": str})
async def deploy(given: dict[str, Any]) -> dict[str, Any]:
    ran.append(given["to"])
    return {"content": [{"type": "text", "text": "deployed"}]}


def settled(**fields: Any) -> Settled:
    given: dict[str, Any] = {
        "allowed": True,
        "tool": "mcp__my_ops__deploy_now",
        "agent": "",
        "session": "s",
        "input": {"to": "x"},
        "why": "",
    }
    return Settled(**{**given, **fields})


async def call(open: Open, id: str, to: str = "x") -> bool:
    """Whether the tool ran."""
    ran.clear()
    config = create_sdk_mcp_server("my ops", tools=[deploy])
    instance = gated({"my ops": config}, open)["my ops"]["instance"]
    entry = instance.get_request_handler(CALL)
    meta = {"claudecode/toolUseId": id} if id else {}
    params = CallToolRequestParams.model_validate({"name": "deploy.now", "arguments": {"to": to}, "_meta": meta})
    result = await entry.handler(None, params)
    assert bool(result.is_error) == (not ran)
    assert ran or "not allowed" in result.content[0].text
    # the application's own server is as it was
    assert config["instance"].get_request_handler(CALL).handler is not entry.handler
    return ran == [to]


async def test_what_was_allowed_runs_once() -> None:
    open = Open()
    open.add("t1", settled())
    assert await call(open, "t1")
    assert not await call(open, "t1")


@pytest.mark.parametrize(
    "said", [None, settled(allowed=False), settled(tool="mcp__my_ops__other"), settled(input={"to": "y"})]
)
async def test_nothing_else_does(said: Settled | None) -> None:
    open = Open()
    if said is not None:
        open.add("t1", said)
    assert not await call(open, "t1")
    assert not await call(open, "")


async def test_a_call_that_is_over_does_not_run_again() -> None:
    open = Open()
    open.add("t1", settled())
    open.take("t1")
    assert not await call(open, "t1")


def test_other_servers_stay_as_they_are() -> None:
    configs = {"a": {"type": "stdio", "command": "x"}}
    assert gated(configs, Open()) == configs
    assert gated("file.json", Open()) == "file.json"
