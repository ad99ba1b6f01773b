"""An agent's process that a test kills: ``python killed.py ROOT ask|resume SESSION MINUTES HANG``.

``ask`` issues a call and waits in its hook; ``resume`` goes on with the session and issues the call again.
With ``HANG`` the model does not answer until the process is killed. Where ``hitl.yaml`` names a database, nothing but
that is shared between the processes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from claude_agent_sdk import ClaudeAgentOptions

from hitl_opa.claude import FileSessionStore
from hitl_opa.guard import Guard
from hitl_opa.testing import Sandbox, resume_agent, run_agent, tool_use


def open_guard(root: Path, minutes: float = 0.0) -> Guard:
    guard = Guard.open(root / "hitl.yaml")
    guard.clock = lambda: datetime.now(UTC) + timedelta(minutes=minutes)
    assert guard.approvals is not None
    guard.approvals._clock = guard.clock
    return guard


async def main(root: Path, what: str, session: str, minutes: float, hang: bool) -> None:
    call = tool_use("Bash", _id=f"toolu_{what}_{minutes:g}", command=(root / "command").read_text())

    def hanging(_: Any) -> Any:
        (root / "hangs").touch()
        threading.Event().wait(120)

    async with open_guard(root, minutes) as guard:
        store: Any = None if guard.config.database else FileSessionStore(root / "sessions")
        options = ClaudeAgentOptions(session_store=store)
        if what == "ask":
            await run_agent([call], options, guard=guard, sandbox=Sandbox(root), wait=120.0)
            return
        turns = [hanging] if hang else [call, "done"]
        run = await resume_agent(session, turns, options, guard=guard, sandbox=Sandbox(root), timeout=120)
        told = {c.id: c.told for c in run.calls}
        print(json.dumps({"error": type(run.error).__name__, "told": told}))


if __name__ == "__main__":
    _, root, what, session, minutes, hang = sys.argv
    asyncio.run(main(Path(root), what, session, float(minutes), hang == "hang"))
