"""find: where it looks, what its tests narrow, and what it does with what it finds."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Stream
from hitl_opa.facts.shell.words import Word

_FIND_VALUE = frozenset(
    [
        "-name",
        "-iname",
        "-path",
        "-ipath",
        "-wholename",
        "-iwholename",
        "-regex",
        "-iregex",
        "-type",
        "-xtype",
        "-size",
        "-mtime",
        "-atime",
        "-ctime",
        "-mmin",
        "-amin",
        "-cmin",
        "-newer",
        "-anewer",
        "-cnewer",
        "-user",
        "-group",
        "-uid",
        "-gid",
        "-perm",
        "-maxdepth",
        "-mindepth",
        "-printf",
        "-fstype",
        "-links",
        "-inum",
        "-samefile",
        "-lname",
        "-ilname",
        "-regextype",
        "-used",
        "-context",
        "-D",
        "-flags",
    ]
)

_NARROW_ALONE = frozenset({"-empty", "-nouser", "-nogroup"})

_NARROW = _NARROW_ALONE | frozenset(
    {
        "-size",
        "-mtime",
        "-atime",
        "-ctime",
        "-mmin",
        "-amin",
        "-cmin",
        "-newer",
        "-anewer",
        "-cnewer",
        "-user",
        "-group",
        "-uid",
        "-gid",
        "-perm",
        "-inum",
        "-samefile",
        "-links",
        "-lname",
        "-ilname",
        "-regex",
        "-iregex",
        "-used",
    }
)

# Permissions that let whoever runs a file act as its owner or group.
_SETUID = re.compile(
    r"[-/+]?0*[2-7]\d{3}\Z|[-/+]?[ugoa,]*[ug][ugoa]*[=+][rwx]*s|[-/+]?(?:[ugo]*=?[rwxX]*,)*[ug]+[=+][rwx]*s"
)

_EXEC = ("-exec", "-execdir", "-ok", "-okdir")


def find(call: Invocation) -> Stream:
    """Reads below its starting points; ``-delete``, ``-exec`` and ``-fprint`` do more."""
    shell, frame, args = call.shell, call.frame, _joined(call.args)
    texts = {word.text for word in args}
    starts: list[Word] = []
    i = 0
    while i < len(args) and (
        args[i].text in ("-H", "-L", "-P", "-E", "-X", "-x", "-s", "-d")
        or args[i].text[:2] == "-O"
        or (args[i].text == "-D" and i + 1 < len(args))
    ):
        i += 2 if args[i].text == "-D" else 1
    if i < len(args) and args[i].text == "-f":
        i += 1
    while (i < len(args) and args[i].text[:1] not in ("-", "(", ")", "!", ",")) or (
        i < len(args) and args[i].text == "-"
    ):
        starts.append(args[i])
        i += 1
    starts = starts or [Word(".")]
    names: list[str] = []
    wanted: list[str] = []  # patterns that what is found must match
    spared: list[str] = []  # and those of what is left out
    deletes = narrowed = numbered = setuid = False
    depth = ""
    commands: list[list[Word]] = []
    while i < len(args):
        text = args[i].text
        i += 1
        if text in _EXEC:
            command: list[Word] = []
            while (
                i < len(args)
                and args[i].text not in (";", "\\")
                and not (args[i].text == "+" and command and command[-1].text == "{}")
            ):
                command.append(args[i])
                i += 1
            i += 1
            if command:
                commands.append(command)
        elif text == "-delete":
            deletes = True
        elif text in _NARROW:
            narrowed = True
            numbered = numbered or text == "-inum"
            setuid = setuid or (text == "-perm" and i < len(args) and _SETUID.match(args[i].text) is not None)
            i += text not in _NARROW_ALONE
        elif text in ("-fprint", "-fls", "-fprint0", "-fprintf") and i < len(args):
            shell.path("write", args[i], frame, via="find", traits=("overwrite",))
            i += 2 if text == "-fprintf" else 1
        elif text == "-files0-from" and i < len(args):
            shell.path("read", args[i], frame, via="find")
            i += 1
        elif text[:6] == "-newer" and i < len(args):
            i += 1
        elif text in _FIND_VALUE and i < len(args):
            if text in ("-name", "-iname", "-path", "-wholename", "-ipath"):
                names.append(args[i].text)
                narrowed = narrowed or bool(args[i].text.strip("*./?"))
                negated = i > 1 and args[i - 2].text in ("!", "-not")
                pruned = any(word.text == "-prune" for word in args[i + 1 : i + 3])
                (spared if negated or pruned else wanted).append(args[i].text)
            if text == "-maxdepth":
                depth = args[i].text
            i += 1
    recursive = () if depth in ("0",) else ("recursive",)
    bulk = () if narrowed else ("bulk",)
    files = "-empty" not in texts and not ("-type" in texts and "d" in texts)  # the guard has none of those
    guarded = _guarded(call, starts[:8], wanted, spared, depth) if files else []
    origin = frozenset[str]()
    for start in starts:
        place = shell.path("read", start, frame, via="find", traits=recursive)
        for name in names:
            named = name[name.rfind("/") + 1 :]
            at = shell.ledger.paths.locate(_below(start.text, named.replace("*", "")), frame.cwd)
            if at.place == "credentials":
                origin |= {"secret"}
                if place not in ("workspace", "temp", "credentials"):
                    shell.path("read", Word(_below(start.text, named), True), frame, via="find")
        if deletes:
            items = _found(start, names, depth, narrowed) if narrowed else [start]
            for item in [Word(UNKNOWN)] if numbered and not names else items:  # a number names no file
                shell.path("delete", item, frame, via="find", traits=tuple(sorted({*recursive, *bulk})))
        if setuid and place in ("root", "system"):
            shell.ledger.effect(
                "query", "system", "setuid programs", place="privilege", via="find", traits=frame.traits
            )
    if deletes:
        for item in guarded:
            shell.path("delete", item, frame, via="find")
    for command in commands:
        found = list(guarded)
        for start in starts[:8]:
            found += _found(start, names, depth, narrowed)
        inner = frame.within("find", *(() if narrowed else ("bulk",)))
        for item in found:
            argv = [
                w if "{}" not in w.text else Word(w.text.replace("{}", item.text), w.text == "{}", w.origin)
                for w in command
            ]
            if any("{}" in w.text for w in command[1:]) and _is_shell_with_code(command):
                argv = command[:1] + [
                    Word(w.text.replace("{}", item.text)) if "{}" in w.text else w for w in command[1:]
                ]
            shell.run(argv, inner, UNREAD)
    listing = (
        "".join(w.text + "\n" for w in (*guarded, *(w for s in starts[:4] for w in _found(s, names, depth, narrowed))))
        if all(s.known for s in starts)
        else None
    )
    return Stream(listing, origin | {"listing"})


def _joined(args: list[Word]) -> list[Word]:
    """``{ }`` is meant to be ``{}``: what find would hand on as it stands is taken for what was found."""
    out: list[Word] = []
    for word in args:
        if word.text == "}" and out and out[-1].text == "{":
            out[-1] = Word("{}")
        else:
            out.append(word if word.text != "{ }" else Word("{}"))
    return out


def _guarded(call: Invocation, starts: list[Word], wanted: list[str], spared: list[str], depth: str) -> list[Word]:
    """Some of the guard's files that the search hits; several patterns may stand for "or", so one is enough."""
    found: list[Word] = []
    for start in starts:
        if not start.known:
            continue
        for path in call.shell.ledger.paths.guarded_below(start.text, call.frame.cwd):
            below = path[len(start.text.rstrip("/")) + 1 :]
            if depth.isdigit() and below.count("/") >= int(depth):
                continue
            if any(_hits(path, pattern) for pattern in spared):
                continue
            if not wanted or any(_hits(path, pattern) for pattern in wanted):
                found.append(Word(path))
            if len(found) == 4:
                return found
    return found


def _hits(path: str, pattern: str) -> bool:
    """Whether ``-name`` or ``-path`` matches; case is folded, as ``-iname`` does and some disks do."""
    text = path if "/" in pattern else path[path.rfind("/") + 1 :]
    return fnmatchcase(text.casefold(), pattern.casefold())


def _found(start: Word, names: list[str], depth: str, narrowed: bool) -> list[Word]:
    """What find hands on: everything below its start, or, where tests narrow it, something there that is not known."""
    if depth == "0":
        return [start]
    base = start.text.rstrip("/") if start.text != "/" else ""
    if not narrowed:
        return [Word(base + "/*", True, start.origin)]
    tails = [n for n in names if "/" not in n][:4]
    return [Word(f"{base}/{UNKNOWN}/{n}", "*" in n, start.origin) for n in tails] or [
        Word(f"{base}/{UNKNOWN}", False, start.origin)
    ]


def _is_shell_with_code(command: list[Word]) -> bool:
    return command[0].text.rsplit("/", 1)[-1] in ("sh", "bash", "zsh", "dash", "ksh") and len(command) > 2


def _below(start: str, name: str) -> str:
    return (start.rstrip("/") if start != "/" else "") + "/" + (name or "*")
