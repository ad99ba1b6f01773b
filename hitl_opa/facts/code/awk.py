"""awk programs: ``system()``, pipes and redirects are the only ways out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.frame import UNREAD, Frame
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

_STRING = r'"((?:[^"\\]|\\.)*)"'
_CONCAT = re.compile(_STRING + r"|[^\s\"]+")


def read_awk(shell: Shell, frame: Frame, word: Word) -> None:
    text = word.text
    if "system" in text:
        for match in re.finditer(r"\bsystem\s*\(", text):
            _command(shell, frame, _value(_balanced(text, match.end())))
    for match in re.finditer(_STRING + r"\s*\|&?\s*getline", text):
        _command(shell, frame, _text(match[1]))
    if re.search(r"[\w$)]\s*\|&?\s*getline", re.sub(_STRING, '""', text)) and not re.search(r'""\s*\|&?\s*getline', re.sub(_STRING, '""', text)):
        _command(shell, frame, UNKNOWN)
    for match in re.finditer(r"\bprintf?\b[^\n;}]*?(?<!\|)\|(?!\|)&?\s*([^\n;}]+)", _no_comparisons(text)):
        _command(shell, frame, _value(match[1]))
    for match in re.finditer(r"\bprintf?\b([^\n;}]*)", text):
        tail = re.sub(_STRING, lambda m: "\x01" * len(m[0]), match[1])
        tail = re.sub(r"\([^()]*\)", lambda m: "\x02" * len(m[0]), tail)
        at = tail.find(">")
        if at >= 0:
            target = match[1][at:].lstrip("> ")
            name = _value(target)
            shell.path("write", Word(name), frame, via="awk", traits=("append",) if tail[at : at + 2] == ">>" else ("overwrite",))
    for match in re.finditer(r"\bgetline\b[^\n;}]*<\s*" + _STRING, text):
        shell.path("read", Word(_text(match[1])), frame, via="awk")
    if re.search(r'"/inet[46]?/(?:tcp|udp)/', text):
        shell.ledger.effect("send", "host", "?", place="unknown", via="awk", traits=tuple(sorted({"upload", *frame.traits})))
    if "@load" in text or "@include" in text:
        shell.ledger.opaque("inline-code", text, "awk")


def _no_comparisons(text: str) -> str:
    return text.replace("||", "  ")


def _balanced(text: str, start: int) -> str:
    depth = 1
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if not depth:
            return text[start:i]
    return text[start:]


def _text(body: str) -> str:
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), body)


def _value(expression: str) -> str:
    """An expression of string constants and unknown parts, joined as awk joins them."""
    out = ""
    for match in _CONCAT.finditer(expression.strip()):
        out += _text(match[1]) if match[1] is not None else UNKNOWN
    return out or UNKNOWN


def _command(shell: Shell, frame: Frame, text: str) -> None:
    from hitl_opa.facts.shell.code import shell_text

    shell_text(shell, frame, Word(text), UNREAD, "awk")
