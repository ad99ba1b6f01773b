"""What a file edit would change, as a unified diff against the file on disk. Nothing is written."""

from __future__ import annotations

import difflib
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hitl_opa.model import ToolCall

TOOLS = frozenset({"Write", "Edit", "MultiEdit", "NotebookEdit"})
MAX_BYTES = 2_000_000
MAX_LINES = 5_000  # difflib takes time in the square of it
CONTEXT = 3


class Change(NamedTuple):
    """One file's change. ``lines`` are the diff's hunks, ``notes`` what a reviewer should know besides."""

    path: str
    lines: list[str]
    notes: list[str]


def change(call: ToolCall) -> Change | None:
    """The change that this call would make, None where it is no file edit."""
    if call.tool not in TOOLS:
        return None
    given = call.input
    named = given.get("file_path") or given.get("notebook_path") or ""
    if not isinstance(named, str) or not named:
        return Change("", [], ["The call names no file."])
    path = Path(call.cwd or ".", named)
    named = named.removeprefix(f"{call.cwd}/") if call.cwd else named
    before, notes = _read(path)
    if before is None:
        return Change(named, _added(_texts(call)), notes)
    if call.tool == "NotebookEdit":
        before, after = _cell(given, before, notes)
    else:
        after = _after(call, before, notes)
    if before == after:
        notes.append("Nothing changes.")
        return Change(named, [], notes)
    old, new = _lines(before), _lines(after)
    if old == new:
        notes.append("Only line ends change.")
    elif len(old) + len(new) > MAX_LINES:
        notes.append(f"Too long to compare: {len(old)} lines are replaced by the {len(new)} below.")
        return Change(named, _added(after), notes)
    lines = difflib.unified_diff(old, new, lineterm="", n=CONTEXT)
    return Change(named, list(lines)[2:], notes)


def _read(path: Path) -> tuple[str | None, list[str]]:
    """The file's text, ``""`` where there is none yet, None where it cannot be shown."""
    notes = []
    try:
        real = path.resolve()
        if path.is_symlink():
            notes.append(f"A symbolic link: this changes {real}.")
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return "", [*notes, "A new file."]
    except (OSError, ValueError, RuntimeError) as error:
        return None, [*notes, f"The file as it is cannot be read ({error}): only what would be written is shown."]
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            return None, [*notes, "Not a regular file: only what would be written is shown."]
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        return None, [*notes, f"Larger than {MAX_BYTES} bytes: only what would be written is shown."]
    try:
        return content.decode(), notes
    except UnicodeDecodeError:
        return None, [*notes, "Not a text file: only what would be written is shown."]


def _after(call: ToolCall, before: str, notes: list[str]) -> str:
    if call.tool == "Write":
        return _text(call.input, "content")
    text = before
    for edit in _replacements(call.input):
        text = _replace(text, edit, notes)
    return text


def _replace(text: str, edit: dict[str, Any], notes: list[str]) -> str:
    old, new = _text(edit, "old_string"), _text(edit, "new_string")
    if not old:
        if text:
            notes.append("The text to replace is empty, and the file is not: the edit will fail.")
            return text
        return new
    found = text.count(old)
    if found == 0:
        notes.append("The text to replace is not in the file: the edit will fail.")
    elif found > 1 and edit.get("replace_all") is not True:
        notes.append(f"The text to replace is there {found} times: the edit will fail.")
    elif found > 1:
        notes.append(f"Replaced in {found} places.")
        return text.replace(old, new)
    else:
        return text.replace(old, new, 1)
    return text


def _cell(given: dict[str, Any], book: str, notes: list[str]) -> tuple[str, str]:
    """The source of the notebook's cell before and after: a diff of the JSON around it says nothing to anybody."""
    try:
        cells: list[dict[str, Any]] = msgspec.json.decode(book or '{"cells": []}')["cells"]
        named = given.get("cell_id", "")
        at = next((i for i, cell in enumerate(cells) if cell.get("id") == named), None)
        if at is None and isinstance(given.get("cell_number"), int):
            at = int(given["cell_number"])
        mode = given.get("edit_mode", "replace")
        if mode == "insert":
            notes.append("A new cell, at the start." if at is None else f"A new cell, below cell {at}.")
            return "", _text(given, "new_source")
        if at is None or not 0 <= at < len(cells):
            raise LookupError
        source = cells[at].get("source", "")
        before = "".join(source) if isinstance(source, list) else str(source)
    except (msgspec.MsgspecError, LookupError, TypeError, AttributeError):
        notes.append("The cell was not found, or this is no notebook: the edit will fail.")
        return "", ""
    notes.append(f"Cell {at} is deleted." if mode == "delete" else f"Cell {at}.")
    return before, "" if mode == "delete" else _text(given, "new_source")


def _replacements(given: dict[str, Any]) -> list[dict[str, Any]]:
    edits = given.get("edits")
    return [e for e in edits if isinstance(e, dict)] if isinstance(edits, list) else [given]


def _texts(call: ToolCall) -> str:
    given = call.input
    if call.tool in {"Write", "NotebookEdit"}:
        return _text(given, "content") or _text(given, "new_source")
    return "\n".join(_text(edit, "new_string") for edit in _replacements(given))


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""


def _lines(text: str) -> list[str]:
    """Split at line feeds only: what else `str.splitlines` takes for a line end, a reviewer has to see."""
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []


def _added(text: str) -> list[str]:
    return [f"+{line}" for line in _lines(text)]
