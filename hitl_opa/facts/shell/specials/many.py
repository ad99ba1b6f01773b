"""xargs and parallel: a command for each of many arguments."""

from __future__ import annotations

import shlex

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell import code
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Stream
from hitl_opa.facts.shell.specials.filters import joined
from hitl_opa.facts.shell.words import Word


def xargs(call: Invocation) -> Stream:
    """The command, with what comes on stdin appended (or put where ``-I`` says); unknown input stays unknown."""
    reading, frame = call.reading, call.frame
    command = reading.rest
    mark = next((w.text for a, w in reading.found if w is not None and a.kind == "effect"), "")
    mark = next((_value_of(call.args, o) for o in ("-I", "-J", "--replace") if o in reading.flags), mark) or (
        "{}" if reading.flags & {"-i", "--replace"} else ""
    )
    stdin = call.stdin
    for act, word in reading.found:
        if act.kind == "path" and word is not None:
            stdin = call.shell.read(word, frame, via="xargs")
    items: list[Word]
    listed = "listing" in stdin.origin  # names that find would print, with stars for what is not known
    if stdin.text is None or (UNKNOWN in stdin.text and not listed):
        items = [Word(UNKNOWN, False, stdin.origin)]
    elif reading.flags & {"-0", "--null"} or mark or reading.flags & {"-d", "--delimiter"}:
        items = [Word(t, listed and "*" in t, stdin.origin) for t in stdin.text.split("\n") if t]
    else:
        try:
            items = [Word(t, listed and "*" in t, stdin.origin) for t in shlex.split(stdin.text)]
        except ValueError:
            items = [Word(t, listed and "*" in t, stdin.origin) for t in stdin.text.split()]
    if not command:
        return Stream(stdin.text, stdin.origin)
    inner = frame.within("xargs", *(("bulk",) if listed or stdin.text is None else ()))
    out = Stream("")
    for batch in [[i] for i in items[:16]] if mark else [items]:
        if mark:
            argv = [
                w
                if mark not in w.text
                else Word(w.text.replace(mark, batch[0].text), w.glob, w.origin | batch[0].origin)
                for w in command
            ]
        else:
            argv = [*command, *batch]
        out = out.plus(call.shell.run(argv, inner, UNREAD))
    return Stream(out.text, out.origin | stdin.origin)


def _value_of(args: list[Word], option: str) -> str:
    for i, word in enumerate(args):
        if word.text == option and i + 1 < len(args):
            return args[i + 1].text if option != "--replace" else "{}"
        if word.text.startswith(option) and len(word.text) > len(option):
            return word.text[len(option) :].lstrip("=")
    return ""


def parallel(call: Invocation) -> Stream:
    """GNU parallel: a command template, and after ``:::`` the arguments for it."""
    frame = call.frame
    words = call.reading.rest
    template: list[Word] = []
    lists: list[list[Word]] = []
    for word in words:
        if word.text in (":::", ":::+", "::::", "::::+"):
            lists.append([])
        elif lists:
            lists[-1].append(word)
        else:
            template.append(word)
    for act, value in call.reading.found:
        if act.kind == "effect" and value is not None:
            call.shell.ledger.host("execute", value.text, via="parallel", traits=frame.traits)
        elif act.kind == "path" and value is not None:
            call.shell.path(act.verb, value, frame, via="parallel")
    inner = frame.within("parallel")
    stdin = call.stdin
    if not lists:
        lists = (
            [[Word(t, False, stdin.origin) for t in stdin.text.split("\n") if t]]
            if stdin.text is not None and UNKNOWN not in stdin.text
            else [[Word(UNKNOWN, False, stdin.origin)]]
        )
    if not template:
        for item in lists[0][:16]:
            code.shell_text(call.shell, inner, item, UNREAD, "parallel")
        return UNREAD
    for index in range(min(16, max((len(entries) for entries in lists), default=0))):
        values = [entries[min(index, len(entries) - 1)] for entries in lists if entries]
        if not values:
            continue
        used = False
        argv: list[Word] = []
        for word in template:
            text = word.text
            for n, value in enumerate(values, 1):
                for mark in (f"{{{n}}}", "{}", "{.}", "{/}", "{//}", "{/.}", f"{{{n}.}}"):
                    if mark in text:
                        text, used = text.replace(mark, value.text), True
            argv.append(Word(text, word.glob, word.origin))
        if not used:
            argv += values
        if "-q" in call.reading.flags or "--quote" in call.reading.flags:
            call.shell.run(argv, inner, UNREAD)
        else:  # parallel hands the joined line to a shell
            call.shell.run(argv, inner, UNREAD)
            code.shell_text(call.shell, inner, joined(argv), UNREAD, "parallel")
    return UNREAD
