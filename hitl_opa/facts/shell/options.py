"""Options, operands and subcommands of a command line, told apart by the data of its program."""

from __future__ import annotations

from hitl_opa.facts.data import Act, Acts, Program
from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.words import Word

ASKS = frozenset({"read", "query", "receive"})  # verbs that change nothing
ANY = "./" + UNKNOWN  # any file below the current directory
# Options that are called after a change: they make one ("!") also where nobody described them.
_VERBS = ("clear", "delete", "remove", "erase", "purge", "wipe", "reset", "kill", "shutdown", "uninstall")
CHANGING = frozenset(f"--{verb}" for verb in _VERBS)
_OFF = frozenset({"false", "none", "no", "off", "0"})


class Reading:
    """The result of parsing: acts with their words, operands, traits, and the subcommands passed."""

    __slots__ = (
        "alone",
        "flags",
        "found",
        "inform",
        "level",
        "maybe",
        "operands",
        "otherwise",
        "path",
        "rest",
        "role",
        "subs",
        "traits",
        "unknown_sub",
        "words",
    )

    def __init__(self, program: Program) -> None:
        self.found: list[tuple[Act, Word | None]] = []
        self.operands: list[Word] = []
        self.traits: set[str] = set()
        self.flags: set[str] = set()  # every option seen, without its value
        self.words: list[Word] = []  # operands that come before the first one that is no plain word
        self.alone: list[Acts] = []  # flags that count only where the call names nothing else
        self.inform = False
        self.maybe: list[Word] = []  # values of letters that some programs do not have
        self.role: Act | None = None
        self.level = program
        self.subs: list[str] = []
        self.rest: list[Word] = []
        self.unknown_sub = ""
        self.otherwise: Acts = ()  # what that subcommand does, at the level where it stood


def parse(program: Program, args: list[Word]) -> Reading:
    """Options, operands and subcommands of ``args`` (the program's name not among them)."""
    out = Reading(program)
    levels = [program]
    stop = False
    i, n = 0, len(args)
    style = program.style
    while i < n:
        word = args[i]
        text = word.text
        i += 1
        if (
            stop
            or len(text) < 2
            or (text[0] != "-" and not (text[0] in "+/" and text in program.flags))
            or text == "--"
        ):
            if text == "--" and not stop:
                stop = True
                if style == "posix" and out.level.operands and i < n:
                    out.rest = args[i:]
                    break
                continue
            level = out.level
            if text[:1] == "+" and level.subs and not out.operands and not out.subs:
                continue  # a toolchain, as in "cargo +nightly test"
            if (level.subs or level.verbs) and not stop:
                sub = level.subs.get(text)
                if sub is not None:
                    out.level = sub
                    levels.append(sub)
                    out.subs.append(text)
                    style = sub.style or style
                    continue
                if (
                    level.subs
                    and not level.verbs
                    and not out.unknown_sub
                    and not out.operands
                    and (level.otherwise or not level.does)
                ):
                    out.unknown_sub, out.otherwise = text, level.otherwise
                out.words.append(word)
            if style == "posix":
                out.rest = args[i - 1 :]
                break
            out.operands.append(word)
            continue
        i = _option(text, word, args, i, levels, style, out)
    if not out.operands and not out.rest:
        out.operands = out.maybe
        for acts in out.alone:
            _add(acts, None, out)
    if any(word.text[:8] in ("--no-dry", "--no_dry") for word in args):
        out.traits.discard("dry-run")
    return out


def _option(text: str, word: Word, args: list[Word], i: int, levels: list[Program], style: str, out: Reading) -> int:
    if text[:2] == "--" or style == "single":
        name, eq, value = text.partition("=")
        acts, takes = _look(levels, name, style)
        out.flags.add(name)
        if acts is None and name in CHANGING:
            acts = levels[0].flags.get("!")
        if acts is None:
            return i
        if takes:
            if eq:
                _add(acts, Word(value, word.glob, word.origin), out)
            elif i < len(args):
                _add(acts, args[i], out)
                i = _rest(acts, args, i, out)
        elif not _only_tries(acts) or _sure(value if eq else "", args, i, levels, style):
            _add(acts, None, out)
        return i
    acts, takes = _look(levels, text, style)
    if acts is not None:
        out.flags.add(text)
        if takes and i < len(args):
            _add(acts, args[i], out)
            return _rest(acts, args, i, out)
        if not _only_tries(acts) or _sure("", args, i, levels, style):
            _add(acts, None, out)
        return i
    return _cluster(text, word, args, i, levels, style, out)


def _cluster(text: str, word: Word, args: list[Word], i: int, levels: list[Program], style: str, out: Reading) -> int:
    """``-xvf``: one flag a letter. What takes effects back counts only where every letter is known: else it is one
    long option with one dash (``-setremotelogin``), or means something that nobody has described.
    """
    less: list[Acts] = []
    known = True
    for j in range(1, min(len(text), 64)):
        name = text[0] + text[j]
        out.flags.add(name)
        acts, takes = _look(levels, name, style)
        if acts is None:
            known = False
            continue
        if takes:
            rest = text[j + 1 :]
            if rest:
                _add(acts, Word(rest[1:] if rest[0] == "=" else rest, word.glob, word.origin), out)
            elif i < len(args):
                _add(acts, args[i], out)
                i += 1
            break
        if takes_back(acts):
            less.append(acts)
        else:
            _add(acts, None, out)
    for acts in less if known else ():
        _add(acts, None, out)
    return i


def takes_back(acts: Acts) -> bool:
    return any(
        act.kind in ("inform", "drop") or "dry-run" in act.traits or (act.kind == "operands" and act.verb in ASKS)
        for act in acts
    )


def _only_tries(acts: Acts) -> bool:
    return any("dry-run" in act.traits for act in acts)


def _sure(value: str, args: list[Word], i: int, levels: list[Program], style: str) -> bool:
    """Whether the flag before ``i`` is one: not switched off, and not the value of an option that nobody knows."""
    following = args[i].text if i < len(args) else ""
    if value.lower() in _OFF or UNKNOWN in value or following.lower() in _OFF - {"0"}:
        return False
    before = args[i - 2].text if i > 1 else ""
    if before[:1] != "-" or len(before) < 2 or "=" in before:
        return True
    name = before if before[:2] == "--" or style == "single" else "-" + before[-1]
    acts, takes = _look(levels, name, style)
    return acts is not None and not takes


def _rest(acts: Acts, args: list[Word], i: int, out: Reading) -> int:
    """After an option's value; an option that runs a command takes all words that follow (``fd -x rm``)."""
    if not any(a.kind == "run" and a.type == "argv" for a in acts):
        return i + 1
    out.rest = [w for w in args[i:] if w.text not in (";", "\\;")]
    if not any("{" in w.text for w in out.rest):
        out.rest.append(Word(ANY))
    return len(args)


def _look(levels: list[Program], name: str, style: str) -> tuple[Acts | None, bool]:
    for level in reversed(levels):
        acts = level.options.get(name)
        if acts is not None:
            return acts, True
        acts = level.flags.get(name)
        if acts is not None:
            return acts, False
    if name[:2] == "--" and len(name) > 4 and style != "single":  # GNU takes unambiguous beginnings of long options
        for level in reversed(levels):
            flags = [k for k in level.flags if k.startswith(name)]
            options = [k for k in level.options if k.startswith(name)]
            if len(flags) + len(options) == 1:
                if options:
                    return level.options[options[0]], True
                found = level.flags[flags[0]]
                return (None if takes_back(found) else found), False  # "--cask" is not "--caskroom"
    return None, False


def _add(acts: Acts, value: Word | None, out: Reading) -> None:
    if acts and acts[0].kind == "alone":
        out.alone.append(acts[1:])
        return
    for act in acts:
        if act.kind == "trait":
            out.traits.update(act.traits)
        elif act.kind == "maybe":
            if value is not None:
                out.maybe.append(value)
        elif act.kind == "inform":
            out.inform = True
        elif act.kind == "operands":
            out.role = act
            out.traits.update(act.traits)
        elif act.kind != "none":
            out.found.append((act, value))
