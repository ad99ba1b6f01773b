"""What an adapter hands in: a tool call, and who makes it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hitl_opa.model.words import PermissionMode


class Session(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is calling. Over HTTP the principal comes from the credential, never from the body."""

    id: str = ""
    agent_id: str = ""
    agent_type: str = ""
    principal: str = ""
    permission_mode: PermissionMode = PermissionMode.DEFAULT
    unattended: bool = False


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool call as an adapter, ``hitl-opa decide --jsonl`` or the decision API hands it in.

    ``cwd``, ``workspace`` and ``home`` are absolute paths; an empty ``workspace`` means ``cwd``.
    ``claude``: Claude Code's configuration directory, empty where it is ``.claude`` in ``home``.
    ``annotations`` are MCP tool annotations: claims of the server, not facts.
    ``confidence`` is 0-1, or None where nobody reported one; ``confidence_verified`` says that the
    host measured it, not the model. ``claimed_risk`` is the caller's own word (``""`` for none): it
    may raise the risk, never lower it.
    """

    tool: str
    input: dict[str, Any] = {}
    id: str = ""
    cwd: str = ""
    workspace: str = ""
    home: str = ""
    claude: str = ""
    annotations: dict[str, Any] = {}
    confidence: float | None = None
    confidence_verified: bool = False
    claimed_risk: Literal["", "low", "medium", "high", "critical"] = ""
    session: Session = Session()
