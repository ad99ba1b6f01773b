"""awk programs: ``system()``, pipes and redirects are the only ways out."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.frame import UNREAD, Frame
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

MAX_TEXT = 16_384
MAX_CALLS = 64
_STRING = r'"((?:[^"\\]|\\.)*)"'
_CONCAT = re.compile(_STRING + r"|[^\s\"]+")


def read_awk(shell: Shell, frame: Frame, word: Word) -> None:
    text = word.text
    if len(text) > MAX_TEXT:
        shell.ledger.opaque("too-large", f"{len(text)} characters of awk", "awk")
        text = text[:MAX_TEXT]
    for match in islice(re.finditer(r"\bsystem\s*\(", text), MAX_CALLS):
        _command(shell, frame, _value(_balanced(text, match.end())))
    for match in re.finditer(_STRING + r"\s*\|&?\s*getline", text):
        _command(shell, frame, _text(match[1]))
    if re.search(r"[\w$)]\s*\|&?\s*getline", re.sub(_STRING, '""', text)) and not re.search(
        r'""\s*\|&?\s*getline', re.sub(_STRING, '""', text)
    ):
        _command(shell, frame, UNKNOWN)
    masked = re.sub(_STRING, lambda m: "\x01" * len(m[0]), text)
    for match in re.finditer(r"[^\n;{}]+", masked):
        _print(shell, frame, masked[match.start() : match.end()], text[match.start() : match.end()])
    for match in re.finditer(r"\bgetline\b[^\n;}]*<\s*" + _STRING, text):
        shell.path("read", Word(_text(match[1])), frame, via="awk")
    if re.search(r'"/inet[46]?/(?:tcp|udp)/', text):
        shell.ledger.effect(
            "send", "host", "?", place="unknown", via="awk", traits=tuple(sorted({"upload", *frame.traits}))
        )
    if "@load" in text or "@include" in text:
        shell.ledger.opaque("inline-code", text, "awk")


def _print(shell: Shell, frame: Frame, masked: str, text: str) -> None:
    """A statement's ``print … | command`` or ``print … > file``; ``masked`` is the text with strings blanked out."""
    found = re.search(r"\bprintf?\b", masked)
    if found is None:
        return
    for _ in range(3):  # comparisons in parentheses are no redirects
        masked = re.sub(r"\([^()]*\)", lambda m: "\x02" * len(m[0]), masked)
    masked = masked.replace("||", "\x02\x02")
    pipe, out = masked.find("|", found.end()), masked.find(">", found.end())
    if pipe >= 0:
        _command(shell, frame, _value(text[pipe + 1 :].lstrip("& ")))
    elif out >= 0:
        appends = masked[out : out + 2] == ">>"
        shell.path(
            "write",
            Word(_value(text[out:].lstrip("> "))),
            frame,
            via="awk",
            traits=("append",) if appends else ("overwrite",),
        )


def _balanced(text: str, start: int) -> str:
    depth = 1
    for i in range(start, min(len(text), start + 4096)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if not depth:
            return text[start:i]
    return text[start : start + 4096]


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
