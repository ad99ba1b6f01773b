"""Built-ins that set what the shell remembers: variables, positional parameters, its history."""

# ruff: noqa: ARG001  (all built-ins have one signature)

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.frame import SILENT, Frame, Stream
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

Settings = dict[str, Word]
_NAME = re.compile(r"[A-Za-z_]\w*\Z")


def load(frame: Frame) -> None:
    """The variables here hold secrets: to print or to send them is to read those."""
    frame.loaded = frozenset({"secret", "leak", "loaded"})
    for name, value in frame.variables.items():
        frame.variables[name] = value._replace(origin=value.origin | frame.loaded)


def environment(frame: Frame) -> Stream:
    """What a command prints that shows all variables."""
    return Stream(None, frame.loaded | {"secret"})


def export(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    if all(arg.text[:1] == "-" for arg in args):
        return environment(frame)
    for arg in args:
        name, eq, value = arg.text.partition("=")
        if eq and _NAME.match(name):
            frame.variables[name] = Word(value, arg.glob, arg.origin)
    watched(shell, frame, [a.text for a in args])
    return SILENT


def read(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    names = [a.text for a in args if _NAME.match(a.text)]
    known = stdin.text if stdin.text is not None and stdin.text.count("\n") <= 1 else None
    ifs = settings["IFS"].text if "IFS" in settings else shell.separators(frame)
    if known is not None and ifs.strip():
        known = "".join(" " if c in ifs else c for c in known)
    parts = known.split(None, max(len(names) - 1, 0)) if known is not None else []
    for i, name in enumerate(names):
        frame.variables[name] = Word(
            parts[i].strip() if i < len(parts) else "" if known is not None else UNKNOWN, False, stdin.origin
        )
    frame.variables.setdefault("REPLY", Word(UNKNOWN, False, stdin.origin))
    return SILENT


def forgets(shell: Shell, frame: Frame, verb: str) -> None:
    """The shell's history is erased, or is no longer kept."""
    traits = tuple(sorted({"tamper", *frame.traits}))
    shell.ledger.effect(
        verb, "system", "shell history", place="audit", via="history", traits=traits, certain=frame.certain
    )


def watched(shell: Shell, frame: Frame, texts: list[str]) -> None:
    """Switching the shell's history off erases a record of what happens next."""
    if any(
        re.match(r"HIST(?:FILE|SIZE|FILESIZE|CONTROL|IGNORE)=(?:|/dev/null|0|ignore\w*|\*)\Z", t) for t in texts
    ) and not any(t.startswith("HISTCONTROL=ignoredups") for t in texts):
        forgets(shell, frame, "configure")


def options(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    texts = [a.text for a in args]
    if not texts:
        return environment(frame)
    if texts[:2] == ["+o", "history"]:
        watched(shell, frame, ["HISTSIZE=0"])
    if "--" in texts:
        frame.positional = args[texts.index("--") + 1 :]
    elif texts and texts[0][:1] not in "-+":
        frame.positional = args
    return SILENT


def shift(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    if frame.positional:
        frame.positional = frame.positional[1:]
    return SILENT


def unset(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    for arg in args:
        frame.variables.pop(arg.text, None)
        frame.functions.pop(arg.text, None)
        if arg.text == "HISTFILE":
            watched(shell, frame, ["HISTFILE="])
    return SILENT
