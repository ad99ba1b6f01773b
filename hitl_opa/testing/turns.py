"""What the scripted model says, and what it was told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

Block = dict[str, Any]
Body = dict[str, Any]
"""The body of a request to the Messages API."""

Turn = str | Block | list[str | Block] | Callable[[Body], "Turn"]
"""What the model says once: text, a block, several of both, or a function of the request that returns one of these."""


def text(value: str) -> Block:
    """A text block; a bare ``str`` in a script means the same."""
    return {"type": "text", "text": value}


def tool_use(tool: str, /, _id: str = "", **input: Any) -> Block:
    """A tool call. ``_id`` is the tool use id, made up where it is ``""``."""
    return {"type": "tool_use", "id": _id, "name": tool, "input": input}


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the model was told of one of its calls."""

    id: str
    text: str
    is_error: bool = False


def flat(content: Any) -> str:
    """The text of a message's content, tool results included."""
    if isinstance(content, str):
        return content
    lines = []
    for block in content or []:
        if block.get("type") == "text":
            lines.append(block["text"])
        elif block.get("type") == "tool_result":
            lines.append(flat(block.get("content")))
    return "\n".join(lines)


def tool_results(body: Body) -> list[ToolResult]:
    """Every tool result in a request, oldest first."""
    return [
        ToolResult(id=block["tool_use_id"], text=flat(block.get("content")), is_error=bool(block.get("is_error")))
        for message in body.get("messages", [])
        if message["role"] == "user" and not isinstance(message["content"], str)
        for block in message["content"]
        if block.get("type") == "tool_result"
    ]
