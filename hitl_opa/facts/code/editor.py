"""Commands of vi and its kin, as ``-c`` and ``+`` take them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hitl_opa.facts.shell.frame import UNREAD, Frame
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

_SHELL = re.compile(
    r"(?:[\d,.$%]*|r(?:ead)?\s*|w(?:rite)?\s*|silent!?\s*|terminal\s+|te(?:rm)?\s+)!+\s*(.+)", re.DOTALL
)
_OWN = re.compile(
    r"(?:[wx]?q(?:a|all)?|wqa(?:ll)?|x(?:a|all)?|wa?|qall|e|set(?:local)?\s+\w+[=?!\w]*|syntax \w+|\d+"
    r"|[\d,.$%]*[ds]\b.*|[$%\d,.]*s/[^|]*)!?"
)


def read_editor(shell: Shell, frame: Frame, word: Word, via: str) -> None:
    """What one command runs; what only edits the files that are named is told by those."""
    text = word.text.lstrip(": ")
    outside = _SHELL.match(text)
    if outside:
        shell.script(outside[1], frame, UNREAD, via=via)
    elif not _OWN.fullmatch(text) or "system(" in text or "\\=" in text:
        shell.ledger.opaque("inline-code", text, via)
        shell.ledger.effect("execute", "code", "", place="unknown", via=via, traits=frame.traits, certain=frame.certain)
