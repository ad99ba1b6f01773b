"""Which tools a hook matcher is for, as the CLI reads matchers."""

from __future__ import annotations

import re

NAMES = re.compile(r"[a-zA-Z0-9_|, -]+")
RENAMED = {
    "Task": "Agent",
    "KillShell": "TaskStop",
    "KillBash": "TaskStop",
    "ListPeers": "ListAgents",
    "Brief": "SendUserMessage",
    "ListMcpResources": "ListMcpResourcesTool",
    "ReadMcpResource": "ReadMcpResourceTool",
    "ReadMcpResourceDir": "ReadMcpResourceDirTool",
    "ProposeGoal": "SetGoal",
}
"""Former names of tools, which matchers may still use."""


def matches(matcher: str | None, tool: str) -> bool:
    """Whether the CLI would ask this matcher's hooks about ``tool``.

    None, ``""`` and ``"*"`` match everything; names separated by ``|`` or ``,`` match exactly; anything
    else is a regular expression that is searched for. Raises re.error for a bad one.
    """
    if not matcher or matcher == "*":
        return True
    called = [tool, *(old for old, new in RENAMED.items() if new == tool)]
    if NAMES.fullmatch(matcher):
        return any(name.strip() in called for name in re.split(r"[|,]", matcher))
    return any(re.search(matcher, name) for name in called)
