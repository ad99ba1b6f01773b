"""Programs that turn stdin into stdout, followed where the text is known: what is piped into a shell is read."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.expansions import ansi_c
from hitl_opa.facts.shell.frame import MAX_STREAM, Stream
from hitl_opa.facts.shell.options import parse
from hitl_opa.facts.shell.words import Word

_NAMES_ONLY = frozenset({"-l", "--files-with-matches", "-L", "--files-without-match", "--name-only", "--files"})
_ENCODED = frozenset({"encoded"})  # as what is hidden in a URL or a name
_DECODED = frozenset({"decoded"})


def _input(call: Invocation, skip: int = 0) -> Stream:
    """What a filter reads: its file operands, else stdin."""
    operands = call.reading.operands[skip:]
    if not operands:
        return call.stdin
    out = Stream("")
    for word in operands:
        out = out.plus(call.stdin if word.text == "-" else call.shell.read(word, call.frame, via=call.via))
    return out


def _through(
    call: Invocation, change: Callable[[str], str | None], origin: frozenset[str] = frozenset(), skip: int = 0
) -> Stream:
    call.apply()
    source = _input(call, skip)
    text = None
    if source.text is not None and UNKNOWN not in source.text and len(source.text) <= MAX_STREAM:
        try:
            text = change(source.text)
        except (ValueError, binascii.Error, IndexError):
            text = None
    return Stream(text, source.origin | call.origin | origin)


def cat(call: Invocation) -> Stream:
    call.apply()
    source = _input(call)
    return Stream(source.text, source.origin | call.origin)


def ls(call: Invocation) -> Stream:
    """Prints the names that its patterns stand for; of a folder, names that are not known."""
    out = call.apply()
    names = [w.text for w in call.reading.operands if w.glob]
    return Stream("\n".join(names), out.origin | {"listing"}) if names else Stream(None, out.origin)


def matches(call: Invocation) -> Stream:
    """grep and kin: lines of what they read, or with ``-l`` names below where they looked."""
    out = call.apply()
    if not call.reading.flags & _NAMES_ONLY:
        return Stream(None, out.origin | call.stdin.origin)
    places = [w for w in call.reading.operands[1:] if w.known] or [Word(".")]
    return Stream("\n".join(f"{w.text.rstrip('/')}/*" for w in places), out.origin | {"listing"})


def processes(call: Invocation) -> Stream:
    """lsof: numbers of processes, for ``kill``; what has a port that everybody may open is one's own."""
    out = call.apply()
    ports = [int(p) for w in call.args for p in re.findall(r":(\d{1,5})\b", w.text)]
    mine = bool(ports) and min(ports) >= 1024
    return Stream(None, out.origin | {"job"} if mine else out.origin)


def passthrough(call: Invocation) -> Stream:
    """The output holds some of the input: unknown text of the same origin."""
    out = call.apply()
    return Stream(None, out.origin | call.stdin.origin)


_LOADS = re.compile(r"\bload(?:_\w+)?\s*\(\s*(?:\"([^\"]*)\"|'([^']*)')?")  # of yq: a file by its name


def jq(call: Invocation) -> Stream:
    """``--slurpfile name file`` reads, ``--arg name value`` does not; an expression of yq may load files by name."""
    args, kept = call.args, list[Word]()
    i = 0
    while i < len(args):
        text = args[i].text
        if text in ("--slurpfile", "--rawfile", "--argfile") and i + 2 < len(args):
            call.shell.path("read", args[i + 2], call.frame, via=call.via)
        elif text not in ("--arg", "--argjson"):
            kept.append(args[i])
            i += 1
            continue
        i += 3
    call.reading = parse(call.program, kept)
    for word in call.reading.operands if call.via == "yq" else []:
        for found in _LOADS.finditer(word.text):
            call.shell.path("read", Word(found[1] or found[2] or UNKNOWN), call.frame, via=call.via)
    return passthrough(call)


def pager(call: Invocation) -> Stream:
    """``less`` and ``more``: they show files, and run as a command of theirs what stands behind ``+``."""
    for word in call.args:
        found = re.match(r"\++[^/?]*?[!|#]\s*(.+)", word.text) if word.text[:1] == "+" else None
        if found:
            call.shell.script(found[1].replace(UNKNOWN, "${__}"), call.frame.within(call.via), via=call.via)
    call.reading.operands = [w for w in call.reading.operands if w.text[:1] != "+"]
    return passthrough(call)


def ed(call: Invocation) -> Stream:
    """A line editor: its commands come on stdin, and some of them run a shell or write elsewhere."""
    out = call.apply()
    if call.stdin.text is None:
        return out
    frame = call.frame.within(call.via)
    for line in call.stdin.text.split("\n"):
        command = re.match(r"[\d,.$%;/\w]*?(?P<verb>[rewWE]?)\s*!(?P<text>.+)", line)
        target = re.match(r"[\d,.$%;]*[wW]q?\s+(?P<path>[^!\s].*)", line)
        if command:
            call.shell.script(command["text"].replace(UNKNOWN, "${__}"), frame, via=call.via)
        elif target:
            call.shell.path("write", Word(target["path"]), frame, via=call.via)
    return out


def rev(call: Invocation) -> Stream:
    if call.via == "tac":
        return _through(call, lambda t: "\n".join(reversed(t.rstrip("\n").split("\n"))) + "\n")
    return _through(call, lambda t: "\n".join(line[::-1] for line in t.split("\n")), _DECODED)


def decode(call: Invocation) -> Stream:
    """base64, base32, openssl enc -d, gunzip, uudecode …: decoded where the text is known."""
    flags = call.reading.flags | set(call.reading.subs)
    name = call.via
    if name in ("base64", "openssl") and flags & {"-d", "-D", "--decode", "--d"}:
        return _through(
            call,
            lambda t: base64.b64decode("".join(t.split()) + "==", validate=False).decode("utf-8", "replace"),
            _DECODED,
            0,
        )
    if name == "base32" and flags & {"-d", "-D", "--decode"}:
        return _through(call, lambda t: base64.b32decode("".join(t.split())).decode("utf-8", "replace"), _DECODED)
    if name in ("base64", "base32"):
        encode = base64.b64encode if name == "base64" else base64.b32encode
        return _through(call, lambda t: encode(t.encode()).decode() + "\n", _ENCODED)
    out = call.apply()
    return Stream(None, out.origin | call.stdin.origin | _DECODED)


def xxd(call: Invocation) -> Stream:
    if "-r" in call.reading.flags or ("-p" in call.reading.flags and "-r" in call.reading.flags):
        return _through(call, _unhex, _DECODED)
    return _through(call, lambda t: t.encode().hex() + "\n" if "-p" in call.reading.flags else None, _ENCODED)


def _unhex(text: str) -> str:
    digits = re.sub(r"(?m)^[0-9a-f]+:|\s", "", text)
    return bytes.fromhex(digits).decode("utf-8", "replace")


def tr(call: Invocation) -> Stream:
    sets = [ansi_c(w.text) for w in call.reading.operands if w.known]
    flags = call.reading.flags
    origin = (
        _DECODED
        if sets and any("-" in s for s in sets) and len(sets) == 2 and "d" not in "".join(flags) and call.stdin.text
        else frozenset()
    )
    stdin = call.stdin
    text: str | None = None
    if stdin.text is not None and sets and len(stdin.text) <= MAX_STREAM:
        first = _set(sets[0])
        if "-d" in flags:
            text = stdin.text.translate({ord(c): None for c in first})
        elif len(sets) > 1 and (second := _set(sets[1])) and "-c" not in flags and "-C" not in flags:
            second = second + second[-1] * max(0, len(first) - len(second))
            text = stdin.text.translate({ord(a): b for a, b in zip(first, second, strict=False)})
    return Stream(text, stdin.origin | origin)


def _set(text: str) -> str:
    for name, chars in (
        ("[:upper:]", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        ("[:lower:]", "abcdefghijklmnopqrstuvwxyz"),
        ("[:digit:]", "0123456789"),
        ("[:space:]", " \t\n\r\f\v"),
    ):
        text = text.replace(name, chars)

    def span(m: re.Match[str]) -> str:
        a, b = ord(m[1]), ord(m[2])
        return "".join(map(chr, range(a, b + 1))) if a <= b < a + 512 else ""

    return re.sub(r"(.)-(.)", span, text, flags=re.DOTALL)


def which(call: Invocation) -> Stream:
    """Prints where a program lies; the program is known by its base name wherever that is."""
    call.apply()
    names = [w.text for w in call.reading.operands if w.known]
    return Stream("".join(f"/usr/bin/{n}\n" for n in names) or None)


def awk(call: Invocation) -> Stream:
    """The program text is code; the other operands are files."""
    reading = call.reading
    source = None
    operands = reading.operands
    if not any(a.type == "script" for a, _ in reading.found) and operands:
        source, operands = operands[0], operands[1:]
    reading.operands = [w for w in operands if "=" not in w.text]
    out = call.apply()
    if source is not None:
        from hitl_opa.facts.code.awk import read_awk

        read_awk(call.shell, call.frame.within(call.via), source)
    return Stream(None, out.origin | call.stdin.origin)


def sed(call: Invocation) -> Stream:
    """``-i`` writes its files; commands ``e``, ``w``, ``r`` and flags of ``s`` execute, write and read."""
    from hitl_opa.facts.code.sed import read_sed

    reading = call.reading
    scripts = [w for a, w in reading.found if a.kind == "run" and w is not None and a.type == "code"]
    reading.found = [(a, w) for a, w in reading.found if not (a.kind == "run" and a.type == "code")]
    operands = reading.operands
    if not scripts and operands and not any(a.type == "script" for a, _ in reading.found):
        if operands[0].text == "" and reading.role is not None and len(operands) > 1:  # BSD: -i ''
            operands = operands[1:]
        scripts, operands = [operands[0]], operands[1:]
    reading.operands = operands
    out = call.apply()
    for script in scripts:
        read_sed(call.shell, call.frame.within(call.via), script)
    simple = (
        re.fullmatch(r"s(.)(.+?)\1(.*?)\1(g?)", scripts[0].text)
        if len(scripts) == 1 and not operands and call.stdin.text is not None
        else None
    )
    text = None
    if simple and call.stdin.text is not None and not re.search(r"[\\.*\[\]^$&+?(){}|]", simple[2] + simple[3]):
        lines = call.stdin.text.split("\n")
        text = "\n".join(line.replace(simple[2], simple[3], -1 if simple[4] else 1) for line in lines)
    return Stream(text, out.origin | call.stdin.origin | (_DECODED if text is not None else frozenset()))


def joined(words: list[Word]) -> Word:
    origin = frozenset[str]().union(*(w.origin for w in words)) if words else frozenset[str]()
    return Word(" ".join(w.text for w in words), any(w.glob for w in words), origin)
