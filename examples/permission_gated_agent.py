"""A permission-gated agent: reads and safe writes run, destruction is blocked, a human confirms the rest.

    ANTHROPIC_API_KEY=... python examples/permission_gated_agent.py "Deploy the application to production"

Tiers 1 and 2 are what the shipped policies let run at autonomy level 3, tier 3 is what they deny.
Tier 4 is you: what policy asks is put to you as a question (approve, reject or edit), and so are the
agent's own questions (AskUserQuestion). Every decision goes into an audit trail that verifies.
"""

from __future__ import annotations

import asyncio
import sys

from claude_agent_sdk import AssistantMessage, ClaudeAgentOptions, ClaudeSDKClient, TextBlock

from hitl_opa import Guard, TerminalReviewer
from hitl_opa.model import Reviewer

OPTIONS = ClaudeAgentOptions(allowed_tools=["Read", "Write", "Bash", "AskUserQuestion"])


async def run(prompt: str, options: ClaudeAgentOptions = OPTIONS, reviewer: Reviewer | None = None) -> None:
    async with Guard.open(level=3) as guard:
        protected = guard.protect(options, reviewer=reviewer or TerminalReviewer())
        async with ClaudeSDKClient(protected) as client:
            await client.query(prompt)
            async for message in client.receive_response():
                if isinstance(message, AssistantMessage):
                    print(*(block.text for block in message.content if isinstance(block, TextBlock)), sep="\n")
        for record in guard.audit.records():
            said = record.get("verdict") or record.get("outcome")
            print(f"[audit] {record.kind:8} {record.get('tool'):16} {said:8} {record.get('reviewer')}")
        print("The record verifies." if guard.audit.verify().ok else "THE RECORD HAS BEEN CHANGED.")


if __name__ == "__main__":
    asyncio.run(run(" ".join(sys.argv[1:]) or "What is in this directory?"))
