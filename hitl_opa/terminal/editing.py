"""Changing a call's input before it runs: in an editor, or on one line."""

from __future__ import annotations

import asyncio
import difflib
import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.model import ToolCall
from hitl_opa.terminal.text import Span, spans

if TYPE_CHECKING:
    from hitl_opa.terminal.reviewer import Screen

# What of the input is edited as plain text; everything else is edited as JSON.
_FIELDS = {"Bash": "command", "Write": "content", "Edit": "new_string", "NotebookEdit": "new_source"}
_LINES = frozenset({"command"})  # short enough to be typed in place
MAX_SHOWN = 40


class Editing:
    """One edit of one call: `run` returns the new input, None where nothing came of it."""

    def __init__(self, screen: Screen, call: ToolCall) -> None:
        self._screen = screen
        self._call = call
        field = _FIELDS.get(call.tool, "")
        value = call.input.get(field)
        self._field = field if isinstance(value, str) and _plain(value) else ""

    async def run(self) -> dict[str, Any] | None:
        editor = self._screen.editor
        if editor is None:
            editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
        if not editor and self._field not in _LINES:
            self._field = ""  # a text of several lines cannot be typed on one
        before = self._text()
        after = await self._in_editor(editor, before) if editor else await self._in_place()
        if after is None or after == before:
            self._say("Nothing was changed.")
            return None
        try:
            edited = self._parse(after)
        except ValueError as error:
            self._say(f"That does not work: {error}. Nothing was changed.")
            return None
        if edited == self._call.input:
            self._say("Nothing was changed.")
            return None
        self._show(before, self._text(edited))
        prompt = [Span("y", "bold"), Span(" use this   "), Span("n", "bold"), Span(" throw it away")]
        return edited if (await self._screen.key(prompt)).lower() == "y" else None

    def _text(self, given: dict[str, Any] | None = None) -> str:
        given = self._call.input if given is None else given
        if self._field:
            return str(given[self._field])
        return _json(given)

    def _parse(self, text: str) -> dict[str, Any]:
        """The edited input, or ValueError saying what is wrong with it."""
        if self._field:
            if self._field in _LINES:
                text = text.removesuffix("\n")
                if not text.strip():
                    raise ValueError("there is nothing left of it; reject the call instead")
            return {**self._call.input, self._field: text}
        try:
            edited = msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ValueError(f"it is no JSON ({error})") from None
        if not isinstance(edited, dict):
            raise ValueError("the input of a tool is a JSON object, {…}")  # noqa: TRY004 - typed wrong, not passed wrong
        for name, value in self._call.input.items():
            if name in edited and _kind(edited[name]) != _kind(value):
                raise ValueError(f'"{name}" was {_kind(value)} and is {_kind(edited[name])} now')
        return edited

    async def _in_editor(self, editor: str, text: str) -> str | None:
        suffix = self._suffix()
        with tempfile.TemporaryDirectory(prefix="hitl-opa-") as directory:  # mode 0700
            file = Path(directory, f"edit{suffix}")
            await asyncio.to_thread(file.write_text, text, encoding="utf-8", newline="")
            try:
                code = await self._screen.tty.run([*shlex.split(editor), str(file)])
                if code != 0:
                    self._say(f"{editor} ended with {code}.")
                    return None
                data = await asyncio.to_thread(file.read_bytes)
                edited = data.decode()
            except (OSError, ValueError) as error:
                self._say(f"{editor} does not work here: {error}")
                return None
        # editors end a file with a line feed, whether the text had one or not
        return edited if text.endswith("\n") else edited.removesuffix("\n")

    def _suffix(self) -> str:
        """What an editor tells the language by."""
        if not self._field:
            return ".json"
        named = self._call.input.get("file_path")
        found = Path(named).suffix if isinstance(named, str) else ""
        return found if found[1:].isalnum() else ".sh" if self._field in _LINES else ".txt"

    async def _in_place(self) -> str | None:
        what = "command to run"
        if not self._field:
            what = "input to use, as JSON,"
            self._say("Set EDITOR to edit in an editor. This is the input:")
            self._screen.say(spans(_json(self._call.input, indent=0)))
        return await self._screen.line(f"Type the {what} in its place, on one line. (Enter alone: leave it)") or None

    def _show(self, before: str, after: str) -> None:
        lines = list(
            difflib.unified_diff(before.split("\n"), after.split("\n"), "proposed", "edited", lineterm="", n=1)
        )
        styles = {"+": "green", "-": "red", "@": "cyan"}
        lines = lines[2:]  # without the names of two files that do not exist
        for line in lines[:MAX_SHOWN]:
            self._screen.say(spans(line.expandtabs(4), styles.get(line[:1], "")))
        if len(lines) > MAX_SHOWN:
            self._say(f"… {len(lines) - MAX_SHOWN} more lines")

    def _say(self, text: str) -> None:
        self._screen.say(spans(text, "yellow"))


def _plain(text: str) -> bool:
    """Whether an editor can hold it: a lone surrogate has no UTF-8, a NUL or a CR rarely comes back the same."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return not any(c in text for c in "\0\r")


def _json(value: dict[str, Any], *, indent: int = 2) -> str:
    import json

    return json.dumps(value, indent=indent or None, ensure_ascii=not _plain(json.dumps(value, ensure_ascii=False)))


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"
