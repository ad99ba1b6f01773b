"""A permission-gated agent: reads run, safe writes run, destruction is blocked, a human confirms the rest.

    ANTHROPIC_API_KEY=... python examples/permission_gated_agent.py "Deploy the application to production"

Tier 1 and 2 are autonomy level 3 of the shipped policies, tier 3 their denials, tier 4 the terminal:
what policy asks is put to you as a question (approve, reject, edit), and so are the agent's own
questions (AskUserQuestion). Every decision goes into the audit trail, which is verified at the end.
"""

from __future__ import annotations

import asyncio
import sys

from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient

from hitl_opa import Guard, TerminalReviewer
from hitl_opa.model import Reviewer


async def main(prompt: str, options: ClaudeAgentOptions | None = None, reviewer: Reviewer | None = None) -> Guard:
    guard = Guard.open(level=3)
    base = options or ClaudeAgentOptions(allowed_tools=["Read", "Write", "Bash", "AskUserQuestion"])
    async with ClaudeSDKClient(guard.protect(base, reviewer=reviewer or TerminalReviewer())) as client:
        await client.query(prompt)
        async for message in client.receive_response():
            print(message)
    for record in guard.audit.records():
        print("[AUDIT]", record.kind, record.get("tool"), record.get("verdict") or record.get("outcome"))
    return guard


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "What is in this directory?"))
