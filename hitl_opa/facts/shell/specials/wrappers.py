"""env, sudo, su, ssh: the same command with another environment, privilege or machine."""

from __future__ import annotations

import re
import shlex

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell import code
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Stream
from hitl_opa.facts.shell.specials.filters import joined
from hitl_opa.facts.shell.variables import environment, load
from hitl_opa.facts.shell.words import Word

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


_PROGRAMS = re.compile(
    r"(?i)\.(?:command|app|workflow|tool|desktop|bat|cmd|ps1|exe|sh|scpt|jar|msi|pkg|dmg|appimage)/?\Z"
)
_TOOLCHAIN = re.compile(r"v?\d+(?:\.\d+)*|lts/\S+|[\w.-]+@[\w.-]+")


def env(call: Invocation) -> Stream:
    """Assignments, then a command; ``-S`` holds a command line as one string."""
    args, frame = list(call.args), call.frame.within("env")
    i = 0
    settings: dict[str, Word] = {}
    while i < len(args):
        text = args[i].text
        if (
            text in ("-S", "--split-string")
            or text.startswith(("-S", "--split-string="))
            or re.fullmatch(r"-[i0v]*S.*", text)
        ):
            value = (
                text.partition("=")[2]
                if text.startswith("--") and "=" in text
                else text[text.index("S") + 1 :]
                if not text.startswith("--")
                else ""
            )
            if not value and i + 1 < len(args):
                i += 1
                value = args[i].text
            try:
                split = shlex.split(value.replace(UNKNOWN, "?"))
            except ValueError:
                split = value.split()
            args[i : i + 1] = [Word(s, False, args[i].origin) for s in split]
            continue
        if text in ("-u", "--unset", "-P", "-C", "--chdir") and i + 1 < len(args):
            if text in ("-C", "--chdir"):
                frame.cwd = call.shell.absolute(args[i + 1].text, frame) if args[i + 1].known else UNKNOWN
            i += 2
            continue
        if text.startswith(("-C", "--chdir=")) and len(text) > 2:
            frame.cwd = call.shell.absolute(text[2:] if text[:2] != "--" else text[8:], frame)
        elif _ASSIGNMENT.match(text):
            name, _, value = text.partition("=")
            settings[name] = Word(value, False, args[i].origin)
        elif text[:1] != "-":
            break
        i += 1
    rest = args[i:]
    if rest:
        if settings:
            call.shell.runner.settings(settings, frame)
            frame.variables.update(settings)
            frame.variables.update(settings)
        return call.shell.run(rest, frame, call.stdin)
    return printenv(call)


def printenv(call: Invocation) -> Stream:
    call.shell.ledger.effect("read", "system", "environment", place="info", via=call.via, traits=call.frame.traits)
    return environment(call.frame)


def dotenv(call: Invocation) -> Stream | None:
    """Runs a command with the variables of a file of secrets."""
    words = call.reading.rest
    if not words or call.reading.subs not in ([], ["run"]):
        return None
    inner = call.frame.within(call.via)
    load(inner)
    return call.shell.run(words, inner, call.stdin)


def version_exec(call: Invocation) -> Stream | None:
    """``nvm exec 20 node x``, ``rbenv exec x``: a command under some version of a toolchain."""
    words = call.reading.rest
    if words and _TOOLCHAIN.fullmatch(words[0].text):
        words = words[1:]
    return call.shell.run(words, call.frame.within(call.via), call.stdin) if words else None


def behind(call: Invocation) -> Stream | None:
    """``onchange 'src' -- command``."""
    at = next((i for i, word in enumerate(call.args) if word.text == "--"), len(call.args))
    words = call.args[at + 1 :]
    return call.shell.run(words, call.frame.within(call.via), call.stdin) if words else None


def opens(call: Invocation) -> Stream | None:
    """``open x.command``: a file that is a program is run."""
    for word in call.reading.operands:
        if _PROGRAMS.search(word.text):
            code.script_file(call.shell, call.frame.within(call.via), "none", word, [], call.stdin, call.via)
    return None


_SAYING = frozenset({"-l", "--list", "-V", "--version"})  # sudo's, without a command
_SILENTLY = frozenset({"-n", "--non-interactive"})


def sudo(call: Invocation) -> Stream:
    """More privilege for what follows; ``-l`` only says which there is."""
    reading, frame, shell_ = call.reading, call.frame, call.shell
    if not reading.rest and reading.flags & _SAYING and reading.flags <= _SAYING | _SILENTLY:
        shell_.ledger.effect("read", "system", call.via, place="info", via=call.via, traits=frame.traits)
        return UNREAD
    traits = tuple(sorted({"elevated", *frame.traits}))
    shell_.ledger.effect(
        "escalate", "system", call.via, place="privilege", via=call.via, traits=traits, certain=frame.certain
    )
    for act, word in reading.found:
        if act.kind == "path" and word is not None:
            shell_.path(act.verb, word, frame.within(call.via, "elevated"), via=call.via)
    rest = list(reading.rest)
    inner = frame.within(call.via, "elevated")
    while rest and _ASSIGNMENT.match(rest[0].text):
        name, _, value = rest[0].text.partition("=")
        shell_.runner.settings({name: Word(value)}, inner)
        rest.pop(0)
    if not rest:
        return UNREAD
    if reading.flags & {"-i", "-s", "--login", "--shell"}:
        return code.shell_text(shell_, inner, joined(rest), call.stdin, call.via)
    return shell_.run(rest, inner, call.stdin)


def su(call: Invocation) -> Stream:
    reading, frame = call.reading, call.frame
    traits = tuple(sorted({"elevated", *frame.traits}))
    operands = [w.text for w in reading.operands if w.text != "-"]
    call.shell.ledger.effect(
        "escalate",
        "system",
        operands[0] if operands else "root",
        place="privilege",
        via=call.via,
        traits=traits,
        certain=frame.certain,
    )
    inner = frame.within(call.via, "elevated")
    out = UNREAD
    ran = False
    for act, word in reading.found:
        if act.kind == "run" and word is not None:
            ran = True
            out = code.shell_text(call.shell, inner, word, call.stdin, call.via)
    if not ran and call.stdin != UNREAD:
        out = code.piped(call.shell, inner, "sh", call.stdin, call.via)
    return out


def ssh(call: Invocation) -> Stream:
    """A command on another machine: the host executes it, and its effects are read as they would be here."""
    reading, frame = call.reading, call.frame
    rest = reading.rest
    for act, word in reading.found:
        if act.kind in ("path",) and word is not None:
            call.shell.path(act.verb, word, frame, via=call.via)
        elif act.kind == "run" and word is not None:
            call.run(act, word)
        elif act.kind == "effect":
            call.shell.ledger.effect(
                act.verb,
                act.type,
                word.text if word else "",
                place=act.place,
                via=call.via,
                traits=tuple(sorted({*act.traits, *frame.traits})),
            )
    options = [a.text for a in call.args if "=" in a.text or " " in a.text]
    for text in options:
        match = re.match(
            r"(?:-o)?\s*(ProxyCommand|LocalCommand|KnownHostsCommand)\s*[= ]\s*(.+)", text, re.IGNORECASE | re.DOTALL
        )
        if match and match[2] != "none":
            call.shell.script(match[2], frame.within(call.via), via=call.via)
    if not rest:
        return UNREAD
    host = rest[0].text.split("@")[-1]
    command = rest[1:]
    marks = {*frame.traits}
    if "secret" in call.stdin.origin:
        marks |= {"secret", "upload"}
    verb = "execute" if command else "query" if not call.stdin.text and call.stdin == UNREAD else "execute"
    if reading.flags & {"-L", "-R", "-D", "-w"}:
        call.shell.ledger.effect("configure", "system", "tunnel", place="network", via=call.via, traits=frame.traits)
    call.shell.ledger.url(
        verb if command else "execute", host, via=call.via, traits=tuple(sorted(marks)), certain=frame.certain
    )
    if call.stdin.origin or call.stdin != UNREAD:
        call.shell.ledger.url("send", host, via=call.via, traits=tuple(sorted({"upload", *marks})))
    inner = frame.within(call.via)
    inner.cwd = UNKNOWN
    if command:
        code.shell_text(call.shell, inner, joined(command), call.stdin, call.via)
    elif call.stdin.text is not None:
        code.piped(call.shell, inner, "sh", call.stdin, call.via)
    return Stream(None, frozenset({"remote"}))
