"""find, tar, dd, chmod, kill, tee, ln, crontab."""

from __future__ import annotations

import posixpath
import re

from hitl_opa.facts.data import Act
from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import Word


def tar(call: Invocation) -> Stream:
    """Mode letters with or without a dash; ``-f`` names the archive that a mode reads or writes."""
    args = list(call.args)
    if args and args[0].text[:1] not in ("-", "") and re.fullmatch(r"[A-Za-z]+", args[0].text):
        letters = args.pop(0).text  # "tar xzf a -C b": each letter that takes a value takes the next word
        head: list[Word] = []
        for letter in letters:
            head.append(Word("-" + letter))
            if letter in "fCbTXgIHNVFKL" and args:
                head.append(args.pop(0))
        call.args = head + args
        from hitl_opa.facts.shell.options import parse

        call.reading = parse(call.program, call.args)
    reading, shell, frame = call.reading, call.shell, call.frame
    flags = reading.flags
    values = _values(call.args)
    archive_word = values.get("f")
    directory = values.get("C")
    creates = flags & {"-c", "--create"} or flags & {"-r", "-u", "-A", "--append", "--update"}
    extracts = flags & {"-x", "--extract", "--get"}
    traits = tuple(sorted({*reading.traits}))
    for act, word in reading.found:
        if act.kind == "run" and word is not None and act.place == "tar-action":
            if word.text.startswith("exec="):
                shell.script(word.text[5:], frame.within("tar"), via="tar")
        elif act.kind == "run" and word is not None:
            call.run(act, word)
        elif act.kind == "path" and word is not None:
            shell.path(act.verb, word, frame, via="tar", traits=act.traits)
    inner = frame
    if directory is not None:
        inner = frame.copy()
        inner.cwd = shell.absolute(directory.text, frame) if directory.known else UNKNOWN
    origin = call.stdin.origin
    if creates:
        for word in reading.operands:
            place = shell.path("read", word, inner, via="tar", traits=("recursive", *traits))
            if "--no-recursion" not in flags:
                shell.copies(word, inner, "tar")
            if "--remove-files" in flags:
                shell.path("delete", word, inner, via="tar", traits=("recursive",))
            if place in ("credentials", "env-file", "system-auth"):
                origin |= {"secret"}
        if archive_word is not None and archive_word.text not in ("-", "/dev/stdout"):
            _archive(call, "write", archive_word)
            shell.wrote(archive_word.text, frame, Stream(None, origin))
    elif extracts:
        if archive_word is not None and archive_word.text != "-":
            _archive(call, "read", archive_word)
        if not flags & {"-O", "--to-stdout"}:
            shell.path("write", Word("."), inner, via="tar", traits=tuple(sorted({"recursive", *traits})))
            known = shell.files.get(shell.absolute(archive_word.text, frame)) if archive_word is not None else None
            if "remote" in origin or (known is not None and "remote" in known.origin):
                shell.wrote(_unpacked(archive_word, directory), frame, Stream(None, frozenset({"remote"})))
            if flags & {"-P", "--absolute-names"}:  # and wherever else the archive says
                shell.path("write", Word(UNKNOWN), inner, via="tar", traits=("recursive",))
    elif archive_word is not None and archive_word.text != "-":
        _archive(call, "read", archive_word)
    return Stream(None, origin)


def _unpacked(archive: Word | None, directory: Word | None) -> str:
    """The folder that an archive most likely unpacks to: the one that is named, or the archive's own name."""
    if directory is not None:
        return directory.text
    return (
        re.sub(r"\.(?:tar|tgz|tbz2?|txz|zip)\b.*$", "", archive.text.rsplit("/", 1)[-1]) if archive is not None else "."
    )


def _archive(call: Invocation, verb: str, word: Word) -> None:
    host, colon, _ = word.text.partition(":")
    if colon and "/" not in host and len(host) > 1 and "--force-local" not in call.reading.flags:
        call.shell.ledger.host(
            "send" if verb == "write" else "receive", host.split("@")[-1], via="tar", traits=call.frame.traits
        )
    else:
        call.shell.path(verb, word, call.frame, via="tar", traits=("overwrite",) if verb == "write" else ())


def _values(args: list[Word]) -> dict[str, Word]:
    out: dict[str, Word] = {}
    names = {"--file": "f", "--directory": "C"}
    for i, word in enumerate(args):
        text = word.text
        if text[:2] == "--":
            name, eq, value = text.partition("=")
            if name in names:
                out[names[name]] = (
                    Word(value, word.glob, word.origin) if eq else args[i + 1] if i + 1 < len(args) else Word("")
                )
        elif text[:1] == "-" and len(text) > 1:
            for j, letter in enumerate(text[1:], 1):
                if letter in "fCbTXgIHNVFKL":
                    rest = text[j + 1 :]
                    value_word = (
                        Word(rest, word.glob, word.origin) if rest else args[i + 1] if i + 1 < len(args) else Word("")
                    )
                    out.setdefault(letter, value_word)
                    break
    return out


def dd(call: Invocation) -> Stream:
    shell, frame = call.shell, call.frame
    origin = call.stdin.origin
    for word in call.args:
        key, _, value = word.text.partition("=")
        if key == "if" and value:
            origin |= shell.read(Word(value, word.glob, word.origin), frame, via="dd").origin
        elif key == "of" and value:
            shell.path("write", Word(value, word.glob, word.origin), frame, via="dd", traits=("overwrite",))
            shell.wrote(value, frame, Stream(None, origin))
    return Stream(None, origin)


def chmod(call: Invocation) -> Stream:
    """The first operand is a mode; world-writable and setuid modes are traits."""
    shell, frame, reading = call.shell, call.frame, call.reading
    operands = list(reading.operands)
    mode = ""
    if "--reference" not in reading.flags and operands:
        mode = operands.pop(0).text
    elif call.args and re.fullmatch(r"-[rwxXst]+", call.args[0].text):
        mode = call.args[0].text
    traits = {*reading.traits, *_mode(mode)}
    for word in operands:
        shell.path("write", word, frame, via=call.via, traits=tuple(sorted(traits)))
    return UNREAD


def _mode(mode: str) -> set[str]:
    traits = set()
    digits = mode.lstrip("0") if mode.isdigit() else ""
    if (
        re.search(r"(?:^|,)[ugoa]*[oa][ugoa]*[+=][rXxst]*w", mode)
        or re.match(r"[+=][rXx]*w", mode)
        or (digits and int(digits[-1]) & 2)
    ):
        traits.add("world-writable")
    if re.search(r"[+=][rwxX]*s", mode) or (len(mode) == 4 and mode.isdigit() and mode[0] in "234567"):
        traits.add("setuid")
    if mode.isdigit() and int(mode or "0") == 0:
        traits.add("all")
    return traits


def install(call: Invocation) -> Stream | None:
    """Copies, and gives what it copies a mode and an owner."""
    for i, word in enumerate(call.args):
        name, eq, value = word.text.partition("=")
        if name in ("-m", "--mode") or re.match(r"-m.", word.text):
            mode = value if eq else word.text[2:] if name[:2] == "-m" and len(name) > 2 else _next(call.args, i)
            call.reading.traits |= _mode(mode)
        elif name in ("-o", "--owner"):
            _owner(call, value if eq else _next(call.args, i))
    return None


def chown(call: Invocation) -> Stream | None:
    """Only root gives a file to root."""
    if call.reading.operands and call.via != "chgrp":
        _owner(call, call.reading.operands[0].text)
    return None


def _owner(call: Invocation, owner: str) -> None:
    if re.split(r"[:.]", owner, maxsplit=1)[0] in ("root", "0"):
        call.reading.traits.add("elevated")


def tags(call: Invocation) -> Stream | None:
    """exiftool: ``-TAG=value`` writes the files that are named."""
    if any(word.text[:1] == "-" and "=" in word.text for word in call.args):
        call.reading.role = Act("operands", verb="write", type="operands")
    return None


def _next(args: list[Word], i: int) -> str:
    return args[i + 1].text if i + 1 < len(args) else ""


def tee(call: Invocation) -> Stream:
    traits = ("append",) if call.reading.flags & {"-a", "--append"} else ("overwrite",)
    for word in call.reading.operands:
        call.shell.path("write", word, call.frame, via="tee", traits=traits)
        call.shell.wrote(word.text, call.frame, call.stdin, append="append" in traits)
    return call.stdin


def link(call: Invocation) -> Stream:
    """A link into a sensitive place is a way to it: the link's source counts as read."""
    operands = call.reading.operands
    shell, frame = call.shell, call.frame
    traits = tuple(sorted(call.reading.traits))
    if len(operands) == 1:
        shell.path(
            "write", Word(operands[0].text.rstrip("/").rsplit("/", 1)[-1] or "."), frame, via="ln", traits=traits
        )
        return UNREAD
    for word in operands[:-1]:
        at = shell.ledger.paths.locate(word.text, frame.cwd, glob=word.glob)
        if at.place not in (
            "workspace",
            "temp",
            "home",
            "dotfile",
            "outside",
            "unknown",
            "root",
            "home-root",
            "system",
            "git-internals",
        ):
            shell.path("read", word, frame, via="ln")
        elif word.known:
            content = shell.files.get(shell.absolute(word.text, frame))
            if content is not None and operands[-1].known:
                shell.wrote(operands[-1].text, frame, content)
    for word in operands[-1:]:
        shell.path("write", word, frame, via="ln", traits=traits)
    if len(operands) == 2 and operands[0].known and operands[1].known:
        _linked(call, operands[0].text, operands[1].text)
    return UNREAD


def _linked(call: Invocation, target: str, name: str) -> None:
    """What follows in this call reaches the target under the link's name; a symbolic target is seen from the link."""
    shell, frame = call.shell, call.frame
    if name.rstrip("/").rsplit("/", 1)[-1] in ("", ".", "..") or name[-1:] == "/":
        name = f"{name.rstrip('/')}/{target.rstrip('/').rsplit('/', 1)[-1]}"
    path = shell.absolute(name, frame)
    folder = frame.cwd if not call.reading.flags & {"-s", "--symbolic"} else posixpath.dirname(path)
    reached = posixpath.normpath(shell.ledger.paths.join(target, folder))
    if UNKNOWN not in path + reached and path != reached and not reached.startswith(path + "/"):
        shell.ledger.paths.link(path, reached)


def crontab(call: Invocation) -> Stream:
    flags, operands = call.reading.flags, call.reading.operands
    shell, frame = call.shell, call.frame
    if "-l" in flags and not operands:
        shell.ledger.effect("read", "system", "crontab", place="schedule", via="crontab", traits=frame.traits)
        return UNREAD
    verb = "delete" if "-r" in flags else "configure"
    shell.ledger.effect(
        verb,
        "system",
        "crontab",
        place="schedule",
        via="crontab",
        traits=tuple(sorted({"persistence", *frame.traits})),
        certain=frame.certain,
    )
    if (not operands and not flags & {"-r", "-e", "-l"}) or (operands and operands[0].text == "-"):
        _cron_lines(call, call.stdin, frame)
    for word in operands:
        if word.text != "-":
            _cron_lines(call, shell.read(word, frame, via="crontab"), frame)
    return UNREAD


def _cron_lines(call: Invocation, stream: Stream, frame: Frame) -> None:
    for line in (stream.text or "").split("\n")[:50]:
        parts = line.split(None, 5)
        if len(parts) == 6 and line[:1] != "#":
            call.shell.script(parts[5], frame.within("crontab", "persistence"), via="crontab")


def sysctl(call: Invocation) -> Stream | None:
    """``name=value`` sets, ``name`` reads."""
    assigned = [w for w in call.reading.operands if "=" in w.text]
    if assigned:
        call.reading.operands = [w for w in call.reading.operands if "=" not in w.text]
        value = " ".join(w.text for w in assigned)
        call.shell.ledger.effect(
            "configure",
            "system",
            value,
            place="kernel",
            via=call.via,
            traits=call.frame.traits,
            certain=call.frame.certain,
        )
        if not call.reading.operands:
            return UNREAD
    return None


def service(call: Invocation) -> Stream | None:
    """``service NAME ACTION``: asking for the status changes nothing."""
    words = [w.text for w in call.reading.operands]
    if call.reading.inform or not words or words[-1] in ("status", "--status-all", "list"):
        call.shell.ledger.effect(
            "read", "system", " ".join(words[:1]), place="service", via=call.via, traits=call.frame.traits
        )
        return UNREAD
    stops = words[-1] in ("stop", "disable", "kill", "down")
    call.shell.ledger.effect(
        "stop" if stops else "configure",
        "system",
        " ".join(words[:2]),
        place="service",
        via=call.via,
        traits=call.frame.traits,
        certain=call.frame.certain,
    )
    return UNREAD
