"""Debuggers' commands: those that look, those that run the program, and a shell behind ``shell`` and ``!``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hitl_opa.facts.shell.frame import UNREAD, Frame
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

_LOOKS = re.compile(
    r"(?:bt|backtrace|where|info|i|list|l|frame|f|up|down|thread|threads|disassemble|disas|x(?:/\w+)?|display|ptype|whatis"
    r"|show|help|quit|q|exit|register|image|bugreport|version|apropos|explore|tbreak|break|b|br|breakpoint|delete|disable"
    r"|enable|watch|rwatch|tb|continue|c|next|n|step|s|finish|until|stepi|nexti|ni|si|run|r|start|starti|kill|process"
    r"|set\s+(?:pagination|confirm|width|height|print|verbose|disassembly-flavor|listsize|breakpoint|args)|target\s+create"
    r"|settings\s+(?:show|list)|layout|focus|refresh|echo|printf|p(?:rint)?(?:/\w+)?\s+[^()=]*\Z|v|var)(?:\s|/|\Z)"
)
_SHELL = re.compile(r"(?:shell|!|platform shell|make)\s*(.*)")
_ALL = re.compile(r"(?:thread apply|t a)\s+(?:all|[\d\s-]+)\s+(?:-\w+\s+)*")


def read_gdb(shell: Shell, frame: Frame, word: Word, via: str) -> None:
    """The effects of commands, one a line. What is neither known nor looks is opaque ``inline-code``."""
    for line in word.text.split("\n")[:200]:
        command = _ALL.sub("", line.strip())
        if not command or command[0] == "#":
            continue
        outside = _SHELL.match(command)
        if outside:
            shell.script(outside[1], frame, UNREAD, via=via)
        elif not _LOOKS.match(command) or "`" in command:
            shell.ledger.opaque("inline-code", command, via)
            shell.ledger.effect(
                "execute", "code", command, place="unknown", via=via, traits=frame.traits, certain=frame.certain
            )
