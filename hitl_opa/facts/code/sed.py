"""sed scripts: the commands ``e``, ``w``, ``W``, ``r``, ``R`` and the flags ``e`` and ``w`` of ``s``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hitl_opa.facts.shell.frame import UNREAD, Frame
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

_ADDRESS = (
    r"(?:(?:\d+|\$|/(?:[^/\\\n]|\\.)*/I?|\\(.)(?:(?!\1).)*\1)(?:~\d+)?"
    r"(?:\s*,\s*(?:[+~]?\d+|\$|/(?:[^/\\\n]|\\.)*/I?))?\s*!?\s*)?"
)
_SIMPLE = re.compile(r"(?:^|[;{\n]|\A)\s*" + _ADDRESS + r"([eWwrR])\s*([^\n;}]*)")


def read_sed(shell: Shell, frame: Frame, word: Word) -> None:
    text = word.text
    rest = _substitutions(shell, frame, text)
    for match in _SIMPLE.finditer(rest):
        command, value = match[2], match[3].strip()
        if command == "e":
            if value:
                shell.script(value, frame, UNREAD, via="sed")
            else:
                shell.ledger.opaque("inline-code", text, "sed")
                shell.ledger.effect("execute", "code", text, place="unknown", via="sed", traits=frame.traits)
        elif value:
            shell.path("write" if command in "wW" else "read", Word(value), frame, via="sed")


def _substitutions(shell: Shell, frame: Frame, text: str) -> str:
    """Reads each ``s`` command's flags and returns the script without them."""
    out, i, n = "", 0, len(text)
    start = True
    while i < n:
        c = text[i]
        if start and c in "sy" and i + 1 < n and not text[i + 1].isalnum() and text[i + 1] not in " \n\\;":
            delimiter, parts, j = text[i + 1], 0, i + 2
            while j < n and parts < 2:
                if text[j] == "\\":
                    j += 1
                elif text[j] == delimiter:
                    parts += 1
                j += 1
            flags = re.match(r"[gpiIMm0-9]*", text[j:])
            j += flags.end() if flags else 0
            while j < n and text[j] in "gpiIMm0123456789e":
                if text[j] == "e" and c == "s":
                    shell.ledger.opaque("inline-code", text, "sed")
                    shell.ledger.effect("execute", "code", text, place="unknown", via="sed", traits=frame.traits)
                j += 1
            if j < n and text[j] == "w" and c == "s":
                end = text.find("\n", j)
                target = text[j + 1 : end if end >= 0 else n].strip()
                shell.path("write", Word(target), frame, via="sed")
                j = end if end >= 0 else n
            out += " "
            i = j
            start = False
            continue
        if c == "/" and start:  # an address
            j = i + 1
            while j < n and text[j] != "/":
                j += 2 if text[j] == "\\" else 1
            out += text[i : j + 1]
            i = j + 1
            continue
        start = c in ";{\n !," or c.isdigit() or c == "$" or (start and c.isspace())
        out += c
        i += 1
    return out
