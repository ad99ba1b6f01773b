"""A tolerant second reading of scripts that the grammar rejects: no command in them may get lost.

It knows quotes, separators and redirects and nothing else. Its commands are read in addition to
what the tree gave, so it may read too much but not too little.
"""

from __future__ import annotations

import re

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.expansions import expand_braces
from hitl_opa.facts.shell.words import Word

_VARIABLE = re.compile(r"\$\{?\w+\}?")

_SEPARATORS = frozenset(";&|\n(){}`")
_RESERVED = frozenset(
    {
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "do",
        "done",
        "while",
        "until",
        "!",
        "time",
        "{",
        "}",
        "case",
        "esac",
        "in",
        "coproc",
    }
)
MAX_COMMANDS = 400

Found = tuple[list[Word], list[tuple[str, Word]]]


def commands(text: str) -> tuple[list[Found], bool]:
    """Simple commands as (words, redirects), and whether every character of the text was understood."""
    out: list[Found] = []
    argv: list[Word] = []
    targets: list[tuple[str, Word]] = []
    token: list[str] = []
    quoted = False
    pending = ""
    complete = True
    i, n = 0, len(text)

    def end_word() -> None:
        nonlocal pending, quoted
        if not token and not quoted:
            return
        value = _VARIABLE.sub(UNKNOWN, "".join(token))
        token.clear()
        if pending:
            targets.append((pending, Word(value)))
            pending = ""
        elif quoted or "{" not in value:
            argv.append(Word(value, not quoted and any(c in value for c in "*?")))
        else:
            argv.extend(Word(v, any(c in v for c in "*?")) for v in expand_braces(value))
        quoted = False

    def end_command() -> None:
        nonlocal argv, targets
        end_word()
        while argv and argv[0].text in _RESERVED:
            argv.pop(0)
        if (argv or targets) and len(out) < MAX_COMMANDS:
            out.append((argv, targets))
        argv, targets = [], []

    while i < n:
        c = text[i]
        if c == "\\" and i + 1 < n:
            if text[i + 1] != "\n":
                token.append(text[i + 1])
                quoted = True
            i += 2
            continue
        if c in "'\"":
            close = text.find(c, i + 1)
            complete = complete and close >= 0
            inner = text[i + 1 : close if close >= 0 else n]
            if close < 0 and not inner.strip().startswith("/"):  # a stray quote: read on as if it were not there
                i += 1
                quoted = True
                continue
            if c == '"':
                for opener in ("$(", "`"):
                    at = inner.find(opener)
                    if at >= 0:
                        out += commands(inner[at + len(opener) :])[0]
                        complete = False
            token.append(inner)
            quoted = True
            i = close + 1 if close >= 0 else n
            continue
        if c == "{" and "," in text[i : text.find("}", i) + 1 or i] and not text[i + 1 : i + 2].isspace():
            close = text.find("}", i)
            token.append(text[i : close + 1])
            i = close + 1
            continue
        if c in "<>":
            if token and "".join(token).isdigit():
                token.clear()
            end_word()
            operator = c
            while i + 1 < n and text[i + 1] in "<>&|":
                i += 1
                operator += text[i]
            pending = ">>" if ">>" in operator else "<>" if "<>" in operator else ">" if ">" in operator else "<"
            complete = complete and operator in (">", ">>", "<", "<>", ">&", "&>", ">|")
            i += 1
            continue
        if c in "$(" or c in "`(){}":
            complete = False
        if c in _SEPARATORS:
            end_command()
        elif c.isspace():
            end_word()
        elif c == "#" and not token:
            end = text.find("\n", i)
            i = end if end >= 0 else n
            continue
        else:
            token.append(c)
        i += 1
    end_command()
    return out, complete
