"""The only answers this adapter gives the CLI.

Well-formed but wrong answers fail open (``{}``, ``async_``, keys at the top level, ``continue_:
False`` alone), so every answer is built here, and says allow or deny in the one place that counts.
"""

from __future__ import annotations

import json
from typing import Any

Reply = dict[str, Any]

_KEYS = {"hookSpecificOutput", "systemMessage", "continue_", "stopReason"}
_SAID = {"hookEventName", "permissionDecision", "permissionDecisionReason", "updatedInput", "additionalContext"}


def allow(reason: str, *, input: dict[str, Any] | None = None, context: str = "", message: str = "") -> Reply:
    """Let the call run: as it is, or on ``input``. ``context`` reaches the model, ``message`` the user.

    Raises TypeError or ValueError where ``input`` is not JSON.
    """
    said: Reply = {
        "hookEventName": "PreToolUse",
        "permissionDecision": "allow",
        "permissionDecisionReason": reason,
    }
    if input is not None:
        json.dumps(input, allow_nan=False)
        said["updatedInput"] = input
    if context:
        said["additionalContext"] = context
    return _reply(said, message)


def deny(reason: str, *, message: str = "", stop: str | None = None) -> Reply:
    """Block the call and tell the model why. With ``stop`` (a reason, maybe ``""``) the turn ends too."""
    said: Reply = {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": reason or "Denied.",
    }
    reply = _reply(said, message)
    if stop is not None:
        reply["continue_"] = False
        reply["stopReason"] = stop or reason
    return reply


def checked(reply: Any) -> Reply:
    """The reply, if it is one that the CLI takes for an allow or a deny of this call and for nothing else.

    Raises TypeError or ValueError for anything else: the CLI would take it for no opinion, and go on.
    """
    if type(reply) is not dict or not reply.keys() <= _KEYS:
        raise ValueError("the reply has not the shape of one")
    said = reply.get("hookSpecificOutput")
    if type(said) is not dict or not said.keys() <= _SAID or said.get("hookEventName") != "PreToolUse":
        raise ValueError("the reply says nothing about this call")
    verdict = said.get("permissionDecision")
    if verdict not in ("allow", "deny") or (verdict == "allow" and "continue_" in reply):
        raise ValueError("the reply neither allows nor denies")
    texts = [said.get("permissionDecisionReason"), said.get("additionalContext", ""), reply.get("systemMessage", "")]
    if not all(isinstance(text, str) for text in texts) or type(said.get("updatedInput", {})) is not dict:
        raise ValueError("the reply has fields of the wrong type")
    json.dumps(reply, allow_nan=False)
    return reply


def refuse_permission(message: str) -> Reply:
    """A PermissionRequest hook's deny."""
    return {
        "hookSpecificOutput": {
            "hookEventName": "PermissionRequest",
            "decision": {"behavior": "deny", "message": message},
        }
    }


def _reply(said: Reply, message: str) -> Reply:
    return {"hookSpecificOutput": said, **({"systemMessage": message} if message else {})}
