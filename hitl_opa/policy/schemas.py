"""JSON Schemas of the documents that policy reads and writes, generated from `hitl_opa.model`.

``python -m hitl_opa.policy.schemas`` writes them to ``hitl_opa/schemas``; a test fails when they drift.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from hitl_opa.model import Ballot, Decision, Document, Judgement, ToolCall

DIRECTORY = Path(__file__).resolve().parent.parent / "schemas"

TITLES: dict[str, type[msgspec.Struct]] = {
    "input": Document,
    "decision": Decision,
    "tool_call": ToolCall,
    "ballot": Ballot,
    "judgement": Judgement,
}


def schemas() -> dict[str, str]:
    """File name -> JSON Schema text."""
    return {f"{name}.json": _text(kind) for name, kind in TITLES.items()}


def _text(kind: type[msgspec.Struct]) -> str:
    schema = msgspec.json.schema(kind)
    if kind is not ToolCall:  # the only one that people write by hand
        schema = _complete(schema)
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2).decode() + "\n"


def _complete(node: Any) -> Any:
    """Without ``default``: every field of a document is always present, so every property is required."""
    if isinstance(node, dict):
        done = {key: _complete(value) for key, value in node.items() if key != "default"}
        if done.get("type") == "object" and "properties" in done:
            done["required"] = sorted(done["properties"])
        return done
    return [_complete(item) for item in node] if isinstance(node, list) else node


def write(directory: Path = DIRECTORY) -> None:
    """Write the schemas; raises OSError."""
    directory.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
