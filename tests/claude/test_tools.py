"""A contract with the CLI: every tool that it offers has a tier, and facts that are more than nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from claude_agent_sdk import ClaudeAgentOptions

from hitl_opa.facts import read_facts
from hitl_opa.model import ToolCall
from hitl_opa.policy.bundle import load_bundle

pytestmark = pytest.mark.cli

NAMED = ["Glob", "Grep", "LS", "TodoWrite", "MultiEdit", "NotebookRead", "KillShell", "BashOutput"]
"""Tools that are offered where they are asked for."""

VARIANTS = {
    "plain": ClaudeAgentOptions(),
    "named": ClaudeAgentOptions(allowed_tools=NAMED),
    "searched": ClaudeAgentOptions(
        env={"ENABLE_TOOL_SEARCH": ""},
        output_format={"type": "json_schema", "schema": {"type": "object", "properties": {}}},
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
async def test_every_tool_has_a_tier(agent: Any, guard: Any, variant: str) -> None:
    run = await agent(options=VARIANTS[variant], guard=guard)
    offered = set(run.tools) | {tool["name"] for tool in run.model.requests[0]["tools"]}
    assert {"Bash", "Read", "AskUserQuestion"} <= offered
    tiers = msgspec.json.decode(load_bundle().data)["hitl"]["tiers"]["tools"]
    assert sorted(offered - set(tiers) - {"DeferredToolPlaceholder"}) == []


@pytest.mark.parametrize("variant", VARIANTS)
async def test_every_tool_has_a_kind(agent: Any, guard: Any, variant: str) -> None:
    """A built-in tool that facts do not know would be read as somebody's function."""
    run = await agent(options=VARIANTS[variant], guard=guard)
    kinds = {tool: read_facts(ToolCall(tool=tool, input={}, cwd="/w"))[0].kind for tool in run.tools}
    assert {tool: kind for tool, kind in kinds.items() if kind in ("function", "unknown", "")} == {}
