"""Which tools a hook matcher is for, as the CLI reads matchers."""

from __future__ import annotations

import re

NAMES = re.compile(r"[a-zA-Z0-9_|, -]+")
RENAMED = {"Task": "Agent", "KillShell": "TaskStop", "BashOutput": "TaskOutput"}


def matches(matcher: str | None, tool: str) -> bool:
    """Whether the CLI would ask this matcher's hooks about ``tool``.

    None, ``""`` and ``"*"`` match everything; names separated by ``|`` or ``,`` match exactly; anything
    else is a regular expression that is searched for. Raises re.error for a bad one.
    """
    if not matcher or matcher == "*":
        return True
    if NAMES.fullmatch(matcher):
        names = [name.strip() for name in re.split(r"[|,]", matcher)]
        return any(name == tool or RENAMED.get(name) == tool for name in names)
    return re.search(matcher, tool) is not None
