"""A PreToolUse hook's input as a tool call."""

from __future__ import annotations

from typing import Any

import msgspec

from hitl_opa.errors import CallRefused
from hitl_opa.model import PermissionMode, Session, ToolCall

PLAN = "ExitPlanMode"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What the adapter knows of where and for whom the agent works, and the CLI does not say with each call."""

    workspace: str
    home: str
    principal: str = ""
    unattended: bool = False


def read_call(hook: dict[str, Any], tool_use_id: str | None, place: Place) -> ToolCall:
    """The tool call in a hook's input. Raises CallRefused, naming the field, for what is not one."""
    if not isinstance(hook, dict):
        raise CallRefused(f"the hook input is {type(hook).__name__}, not an object")
    tool = _text(hook, "tool_name")
    if not tool:
        raise CallRefused("the hook input names no tool")
    arguments = hook.get("tool_input")
    if not isinstance(arguments, dict):
        raise CallRefused(f"the input of {tool} is {type(arguments).__name__}, not an object")
    mode = _text(hook, "permission_mode") or PermissionMode.DEFAULT
    if mode not in list(PermissionMode):
        raise CallRefused(f"permission mode {mode!r} is none of {', '.join(PermissionMode)}")
    return ToolCall(
        tool=tool,
        input=ruled(tool, arguments),
        id=_text(hook, "tool_use_id") or tool_use_id or "",
        cwd=_text(hook, "cwd") or place.workspace,
        workspace=place.workspace,
        home=place.home,
        claude=configuration(_text(hook, "transcript_path")),
        session=Session(
            id=_text(hook, "session_id"),
            agent_id=_text(hook, "agent_id"),
            agent_type=_text(hook, "agent_type"),
            principal=place.principal,
            permission_mode=PermissionMode(mode),
            unattended=place.unattended,
        ),
    )


def configuration(transcript: str) -> str:
    """Claude Code's configuration directory, where that can be told from a session's transcript; else ``""``."""
    folder, found, rest = transcript.rpartition("/projects/")
    return folder if found and rest.endswith(".jsonl") else ""


def ruled(tool: str, input: dict[str, Any]) -> dict[str, Any]:
    """What of a call's input is ruled on. Where the CLI keeps a plan differs from machine to machine."""
    return {name: value for name, value in input.items() if name != "planFilePath"} if tool == PLAN else input


def agent_words(call: ToolCall) -> str:
    """What the agent itself says the call is for; unverified."""
    words = call.input.get("description")
    return words if isinstance(words, str) else ""


def _text(hook: dict[str, Any], key: str) -> str:
    value = hook.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CallRefused(f"{key} is {type(value).__name__}, not a string")
    return value
