"""Transcripts of Claude Code (``~/.claude/projects/…/*.jsonl``): the calls that the model made.

A transcript says what was called and where, not what the files held then nor what was decided: facts
are read again, on this machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hitl_opa.model import PermissionMode, Session, ToolCall

TYPES = frozenset({"user", "assistant", "system", "summary", "progress", "queue-operation", "file-history-snapshot"})
_HOME = re.compile(r"/(?:home|Users)/[^/]+|/root(?=/|$)")


class Transcript:
    """One file, line by line: later lines lean on what earlier ones said."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._workspaces: dict[str, str] = {}
        self._mode = PermissionMode.DEFAULT

    def calls(self, entry: dict[str, Any]) -> Iterator[ToolCall]:
        """The tool calls in one line; a call that is written twice (branches, resumed sessions) is one."""
        mode = entry.get("permissionMode")
        if mode in {m.value for m in PermissionMode}:
            self._mode = PermissionMode(str(mode))
        message = entry.get("message")
        content = message.get("content") if isinstance(message, dict) else None
        if entry.get("type") != "assistant" or not isinstance(content, list):
            return
        session = str(entry.get("sessionId", ""))
        cwd = str(entry.get("cwd", ""))
        workspace = self._workspaces.setdefault(session, cwd)  # where the session began
        home = _HOME.match(cwd)
        for block in content:
            if not isinstance(block, dict) or block.get("type") != "tool_use" or block.get("id") in self._seen:
                continue
            self._seen.add(str(block.get("id")))
            yield ToolCall(
                id=str(block.get("id", "")),
                tool=str(block.get("name", "")),
                input=block["input"] if isinstance(block.get("input"), dict) else {},
                cwd=cwd,
                workspace=workspace,
                home=home[0] if home else "",
                session=Session(
                    id=session,
                    agent_id=str(entry.get("agentId", "")),
                    agent_type="subagent" if entry.get("isSidechain") else "",
                    permission_mode=self._mode,
                ),
            )
