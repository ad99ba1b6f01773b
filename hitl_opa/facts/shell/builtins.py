"""What the shell does itself: directories, variables, eval, source, and the printing of constants."""

# ruff: noqa: ARG001  (all built-ins have one signature)

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell import variables
from hitl_opa.facts.shell.expansions import ansi_c
from hitl_opa.facts.shell.frame import SILENT, UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import NO_ORIGIN, NOWHERE, Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

Settings = dict[str, Word]
Builtin = Callable[["Shell", Frame, list[Word], Stream, Settings], Stream]
_NAME = re.compile(r"[A-Za-z_]\w*\Z")
_FORMAT = re.compile(r"%(?:%|[-+ #0]*\d*(?:\.\d+)?([sdiubqcxXofeg]))")


def _join(args: list[Word], sep: str = " ") -> Word:
    origin = NO_ORIGIN
    for arg in args:
        origin |= arg.origin
    return Word(sep.join(a.text for a in args), False, origin)


def _stream(word: Word, end: str = "") -> Stream:
    return Stream(None if not word.known else word.text + end, word.origin)


def _nothing(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    return SILENT


def _test(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    """A subscript in a quoted name is evaluated, and with it the substitutions inside: ``-v 'a[$(id)]'``."""
    for arg in args:
        if "[" in arg.text and ("$(" in arg.text or "`" in arg.text):
            shell.script('"' + arg.text.replace('"', "") + '"', frame.copy(), UNREAD, via="test")
    return SILENT


def _completion(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    """Commands that the shell is told to run later, or on each line: ``complete -C``, ``bind -x``, ``mapfile -C``."""
    for flag, value in pairwise(args):
        if flag.text in ("-C", "-F", "-x"):
            text = value.text.partition(":")[2] if flag.text == "-x" else value.text
            shell.script(text, frame.copy(), UNREAD, via="sh")
    return SILENT


def _loadable(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    """``enable -f file name`` and ``hash -p file name``: a file becomes a command."""
    for flag, value in pairwise(args):
        if flag.text in ("-f", "-p"):
            from hitl_opa.facts.shell import code

            place, real, inside = code.script_place(shell, frame, value)
            shell.ledger.effect("execute", "code", value.text, place=place, real=real, inside=inside, via="sh")
    return SILENT


def _fc(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    if not any(a.text[:2] == "-l" for a in args):
        shell.ledger.opaque("dynamic-code", "a command of the history", "fc")
        shell.ledger.effect("execute", "code", "fc", place="unknown", via="fc", traits=frame.traits)
    return SILENT


def _echo(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    end, escapes = "\n", False
    while args and re.fullmatch(r"-[neE]+", args[0].text):
        end = "" if "n" in args[0].text else end
        escapes = escapes or "e" in args[0].text
        args = args[1:]
    word = _join(args)
    if escapes:
        word = word._replace(text=ansi_c(word.text) if word.known else word.text)
    # With a part that is not known the rest still matters to whoever runs what is printed.
    return Stream(word.text + end, word.origin) if word.known or len(args) > 1 else _stream(word, end)


def _printf(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    if len(args) >= 2 and args[0].text == "-v":
        frame.variables[args[1].text] = Word(_printf(shell, frame, args[2:], stdin, settings).text or UNKNOWN)
        return SILENT
    if args and args[0].text == "--":
        args = args[1:]
    if not args:
        return SILENT
    origin = _join(args).origin
    pattern, values = args[0].text, args[1:]
    if UNKNOWN in pattern:
        return Stream(None, origin)
    text = ansi_c(pattern)
    slots = len([m for m in _FORMAT.finditer(text) if m[1]])
    out, at = "", 0
    for _ in range(max(1, -(-len(values) // slots)) if slots else 1):
        taken = iter(values[at : at + slots])
        at += slots

        def fill(m: re.Match[str], taken: object = taken) -> str:
            if not m[1]:
                return "%"
            value = next(taken, Word("")).text  # type: ignore[call-overload]
            return ansi_c(value) if m[1] == "b" else value

        out += _FORMAT.sub(fill, text)
        if len(out) > 65536:
            return Stream(None, origin)
    return Stream(out, origin)


def _cd(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    args = [a for a in args if a.text not in ("-P", "-L", "-e", "-@", "--", "-q", "/d", "/D")]
    if not args:
        frame.cwd = shell.home or UNKNOWN
    elif not args[0].known or args[0].text == "-" or args[0].text[:1] == "+" or args[0].glob:
        frame.cwd = shell.absolute(args[0].text, frame) if args[0].glob else UNKNOWN
    elif args[0].text:
        joined = shell.ledger.paths.join(args[0].text, frame.cwd)
        frame.cwd = posixpath.normpath(joined) if UNKNOWN not in joined else UNKNOWN
    return SILENT


def _popd(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    frame.cwd = shell.ledger.paths.cwd or UNKNOWN
    return SILENT


def _eval(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    from hitl_opa.facts.shell import code

    return code.shell_text(shell, frame, _join(args), stdin, "eval") if args else SILENT


def _source(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    from hitl_opa.facts.shell import code

    if args and args[0].text in ("/dev/stdin", "-", "/dev/fd/0", "/proc/self/fd/0") and stdin.text is not None:
        return code.shell_text(shell, frame, Word(stdin.text, False, stdin.origin), UNREAD, "source")
    return code.sourced(shell, frame, args[0]) if args else SILENT


def _exec(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    while args and args[0].text[:1] == "-":
        args = args[2:] if args[0].text == "-a" else args[1:]
    return shell.run(args, frame.within("exec"), stdin) if args else SILENT


def _command(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    if args and args[0].text in ("-v", "-V", "-pv"):
        return Stream("".join(f"/usr/bin/{a.text}\n" for a in args[1:] if a.known) or None)
    while args and args[0].text in ("-p", "--"):
        args = args[1:]
    if not args:
        return SILENT
    if args[0].text in TABLE:
        return TABLE[args[0].text](shell, frame, args[1:], stdin, settings)
    inner = frame.within("command")
    inner.functions, inner.aliases = {}, {}
    return shell.run(args, inner, stdin)


def _wrapper(name: str) -> Builtin:
    def run(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
        while args and args[0].text[:1] == "-" and name == "time":
            args = args[2:] if args[0].text in ("-o", "-f", "--output", "--format") else args[1:]
        if name == "coproc" and any(a.text == "{" for a in args):
            args = args[[a.text for a in args].index("{") + 1 :]
        return shell.run(args, frame.within(name), stdin) if args else SILENT

    return run


def _trap(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    if len(args) > 1 and args[0].text not in ("-", "", "-l", "-p"):
        shell.traps.append(args[0])
    return SILENT


def _alias(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    for arg in args:
        name, eq, value = arg.text.partition("=")
        if eq:
            frame.aliases[name] = value
            scratch = frame.copy()
            scratch.certain = False
            shell.script(value, scratch, UNREAD, via="alias")
    return SILENT


def _unalias(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    for arg in args:
        frame.aliases.pop(arg.text, None)
    return SILENT


def _pwd(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    return Stream(frame.cwd + "\n" if frame.cwd and UNKNOWN not in frame.cwd else None)


def _history(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    if any(a.text[:1] == "-" and a.text[1:2] in ("c", "d") for a in args):
        variables.forgets(shell, frame, "delete")
    elif any(a.text[:2] in ("-w", "-a") for a in args):
        shell.ledger.effect("write", "system", "shell history", place="info", via="history", traits=frame.traits)
    else:
        shell.ledger.path("read", "~/.bash_history", frame.cwd, via="history", traits=frame.traits)
    return UNREAD


def _mapfile(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    _completion(shell, frame, args, stdin, settings)
    for arg in args:
        if _NAME.match(arg.text):
            for i, line in enumerate((stdin.text or "").splitlines()[:256]):
                frame.variables[f"{arg.text}[{i}]"] = Word(line, False, stdin.origin)
            frame.variables[arg.text] = Word(
                stdin.text.replace("\n", " ") if stdin.text is not None else UNKNOWN, False, stdin.origin
            )
    return SILENT


def _let(shell: Shell, frame: Frame, args: list[Word], stdin: Stream, settings: Settings) -> Stream:
    _test(shell, frame, args, stdin, settings)
    for arg in args:
        name, eq, _ = arg.text.partition("=")
        if eq and _NAME.match(name.rstrip("+-*/%")):
            frame.variables[name.rstrip("+-*/%")] = NOWHERE
    return SILENT


TABLE: dict[str, Builtin] = {
    "echo": _echo,
    "printf": _printf,
    "cd": _cd,
    "pushd": _cd,
    "chdir": _cd,
    "popd": _popd,
    "export": variables.export,
    "declare": variables.export,
    "typeset": variables.export,
    "local": variables.export,
    "readonly": variables.export,
    "read": variables.read,
    "eval": _eval,
    "source": _source,
    ".": _source,
    "exec": _exec,
    "command": _command,
    "builtin": _command,
    "time": _wrapper("time"),
    "coproc": _wrapper("coproc"),
    "noglob": _wrapper("noglob"),
    "nocorrect": _wrapper("nocorrect"),
    "trap": _trap,
    "alias": _alias,
    "unalias": _unalias,
    "set": variables.options,
    "shift": variables.shift,
    "unset": variables.unset,
    "pwd": _pwd,
    "mapfile": _mapfile,
    "readarray": _mapfile,
    "history": _history,
    "umask": _nothing,
    "let": _let,
    "test": _test,
    "[": _test,
    "[[": _test,
    "bind": _completion,
    "complete": _completion,
    "compgen": _completion,
    "enable": _loadable,
    "hash": _loadable,
    "fc": _fc,
    **dict.fromkeys(
        (
            ":",
            "true",
            "false",
            "return",
            "exit",
            "break",
            "continue",
            "wait",
            "jobs",
            "fg",
            "bg",
            "type",
            "shopt",
            "getopts",
            "dirs",
            "times",
            "ulimit",
            "compopt",
            "disown",
            "suspend",
            "logout",
            "caller",
            "help",
            "setopt",
            "unsetopt",
            "autoload",
            "emulate",
            "zstyle",
            "bindkey",
            "whence",
            "where",
            "rehash",
            "limit",
            "vared",
            "abbr",
            "functions",
            "print",
            "!",
            "]]",
            "]",
            "fi",
            "done",
            "esac",
            "then",
            "else",
            "do",
        ),
        _nothing,
    ),
}
