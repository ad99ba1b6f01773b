"""Python code, read with ``ast``: the calls that reach files, processes, hosts and other code.

Constants are followed through assignments, f-strings, joins and simple functions; what is not known
stays `UNKNOWN`. Dynamic code (``eval``, ``exec``, ``getattr`` on modules, decoded strings) is opaque.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING

from hitl_opa.facts.code.python_reader import Reader
from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.frame import UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

# CPython's parser recurses on these without a bound that a small thread stack holds, and then the process is gone.
MAX_DEEP = 400
_DEEP = re.compile(rf"(?:(?:\b(?:not|await)\b|[-+~*])[\s\\]*){{{MAX_DEEP}}}")
_DEEPENING = (re.compile(r"\blambda\b"), re.compile(r"\belse\b(?!\s*:)"), re.compile(r"\*\*"))


def read_python(shell: Shell, frame: Frame, word: Word, stdin: Stream, via: str, *, script: bool) -> Stream:
    text = word.text.replace(UNKNOWN, "__unknown__").lstrip("\r\n")
    if _DEEP.search(text) or any(len(found.findall(text)) > MAX_DEEP for found in _DEEPENING):
        shell.ledger.opaque("too-large", "nested too deeply", via)
        return UNREAD
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text if not text[:1].isspace() else "if 1:\n" + text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        shell.ledger.opaque("parse-error", word.text, via)
        if not script:
            _words(shell, frame, word.text, via)
        return UNREAD
    reader = Reader(shell, frame, via, script)
    reader.origin |= stdin.origin
    try:
        reader.module(tree)
    except RecursionError:
        shell.ledger.opaque("too-large", "nested too deeply", via)
    if not script:
        shell.ledger.effect("execute", "code", "", place="inline", via=via, traits=frame.traits, certain=frame.certain)
    silent = reader.printed == ""
    return Stream(reader.printed, reader.origin - {"loaded"} if silent else reader.origin)


def _words(shell: Shell, frame: Frame, text: str, via: str) -> None:
    """Python that does not parse may be shell by mistake (``python -c "rm -rf /"``): read it as such, unsure."""
    if "\n" not in text and "(" not in text:
        inner = frame.copy()
        shell.script(text, inner, UNREAD, via=via)
