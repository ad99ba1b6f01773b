"""Testing what an agent may do: a scripted model for the real CLI, a scripted reviewer, a throw-away sandbox.

    run = await run_agent(
        [tool_use("Bash", command="rm -rf /"), "done"], guard=guard, reviewer=ScriptedReviewer("reject")
    )
    assert not run.executed

Everything is offline. `hitl_opa.testing.plugin` is the pytest plugin with fixtures for these.
"""

from __future__ import annotations

from hitl_opa.testing.agent import AgentCall, AgentRun, resume_agent, run_agent
from hitl_opa.testing.model import ScriptedModel
from hitl_opa.testing.reviewer import ScriptedReviewer
from hitl_opa.testing.sandbox import Sandbox
from hitl_opa.testing.turns import ToolResult, text, tool_results, tool_use

__all__ = [
    "AgentCall",
    "AgentRun",
    "Sandbox",
    "ScriptedModel",
    "ScriptedReviewer",
    "ToolResult",
    "resume_agent",
    "run_agent",
    "text",
    "tool_results",
    "tool_use",
]
