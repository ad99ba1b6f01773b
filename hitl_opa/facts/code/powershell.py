"""PowerShell and cmd lines: cmdlets and their aliases, split roughly; the rest is read as programs."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.frame import UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

MAX_TEXT = 8_192
_WORD = re.compile(r"\"((?:[^\"`]|`.)*)\"|'([^']*)'|([^\s\"';|]+)")

_BLOCK = re.compile(r"(?i)((?:%|\)|\b(?:foreach-object|foreach|else|try|catch|finally|do|process|begin|end)\b)\s*)\{")
_REDIRECT = re.compile(r"(?<![=-])[1-6*]?>{1,2}(?!&)\s*(\"[^\"]+\"|'[^']+'|[^\s;|&>]+)")
# of cmd: what stands before a command
_CONDITION = re.compile(
    r"(?i)^(?:@|if\s+(?:/i\s+)?(?:not\s+)?(?:exist\s+\S+|defined\s+\S+|errorlevel\s+\d+|\S+\s*==\s*\S+)\s+|for\s+.*?\bdo\s+)+"
)
_CALLED = re.compile(r"[&.]\s*[$(]|%\w+%")  # a program that a variable, or another command, names
_LISTING = frozenset({"get-childitem", "gci", "ls", "dir", "get-item", "gi"})
_TAKING = frozenset(
    {"remove-item", "ri", "rm", "rmdir", "rd", "del", "erase", "move-item", "mi", "mv", "copy-item", "cpi", "cp",
     "rename-item", "rni", "set-content", "sc", "clear-content", "clc", "invoke-item", "ii", "set-itemproperty"}
)  # fmt: skip
_METHOD = re.compile(r"(\]::|\)\.|\$\w+\.)(\w+)\(")  # of a .NET type or object
_CHANGING = frozenset(
    {"delete", "move", "moveto", "copy", "copyto", "replace", "create", "createtext", "opentext", "openwrite", "open",
     "writealltext", "writealllines", "writeallbytes", "appendalltext", "setaccesscontrol", "start", "kill", "stop",
     "downloadfile", "downloadstring", "downloaddata", "uploadfile", "uploadstring", "uploaddata", "send", "load",
     "loadfile", "loadfrom", "setvalue", "createsubkey", "deletesubkey", "deletesubkeytree", "setenvironmentvariable",
     "createdirectory", "invokemember", "exit", "readalltext", "readallbytes", "readalllines"}
)  # fmt: skip


def read_powershell(shell: Shell, frame: Frame, word: Word, via: str) -> Stream:
    text = word.text
    if len(text) > MAX_TEXT:
        shell.ledger.opaque("too-large", f"{len(text)} characters of PowerShell", via)
        text = text[:MAX_TEXT]
    shell.ledger.effect("execute", "code", "", place="inline", via=via, traits=frame.traits, certain=frame.certain)
    if re.search(
        r"(?i)\biex\b|Invoke-Expression|\[scriptblock\]|FromBase64String|Add-Type|Reflection|-join|\.Invoke\(", text
    ):
        shell.ledger.opaque("dynamic-code", text, via)
        shell.ledger.effect(
            "execute",
            "code",
            "",
            place="remote" if re.search(r"(?i)download|webrequest|iwr|irm|http", text) else "unknown",
            via=via,
            traits=frame.traits,
        )
    for url in re.findall(r"(?i)(?:https?|ftp)://[^\s\"'`)]+", text)[:16]:
        sends = bool(re.search(r"(?i)upload|-Method\s+['\"]?(?:post|put|patch|delete)|-InFile|-Body", text))
        shell.ledger.url(
            "send" if sends else "receive",
            url,
            via=via,
            traits=tuple(sorted({"upload" if sends else "download", *frame.traits})),
        )
    if re.search(r"(?i)Net\.Sockets\.TCPClient", text):
        shell.ledger.effect(
            "execute", "code", "", place="remote", via=via, traits=tuple(sorted({"reverse-shell", *frame.traits}))
        )
    for method in _METHOD.finditer(text):
        if method[2].lower() in _CHANGING:
            shell.ledger.opaque("inline-code", method[0], via)
            shell.ledger.effect("execute", "code", method[0], place="unknown", via=via, traits=frame.traits)
    listed: list[Word] = []  # what the stage before hands on
    for separator, raw in _statements(text, cmd=via.lower().startswith("cmd")):
        for target in _REDIRECT.finditer(raw):
            name = target[1].strip("\"'")
            if name.lower() not in ("$null", "nul"):
                shell.path("write", Word(_variables(name, shell)), frame, via=via, traits=("overwrite",))
        statement = _CONDITION.sub("", _REDIRECT.sub(" ", raw).strip("{}() "))
        if _CALLED.match(statement):
            shell.ledger.opaque("variable-program", statement, via)
            shell.ledger.effect("execute", "code", statement, place="unknown", via=via, traits=frame.traits)
        found = list(_WORD.finditer(statement.lstrip("& ")))
        if len(found) > 2 and found[0][0][:1] == "$" and found[1][0] == "=":
            found = found[2:] if found[2][3] is not None else []  # a text that is kept runs nothing
        words = [
            Word(next(g for g in m.groups() if g is not None).replace("`", "").replace("\\\\", "\\")) for m in found
        ]
        if words and words[0].text[:1] not in "$[@%(#-":
            words = [w if "$" not in w.text else Word(_variables(w.text, shell)) for w in words]
            if separator == "|" and listed and words[0].text.lower() in _TAKING:
                words += listed
            listed = _listed(words) or (listed if separator == "|" else [])
            if "\\" in words[0].text and words[0].text[1:2] != ":":
                words[0] = Word(words[0].text.replace("\\", "/"))
            shell.run(words, frame.within(via), UNREAD)
    return UNREAD


def _statements(text: str, *, cmd: bool) -> list[tuple[str, str]]:
    """Each statement or stage of a pipeline with what separates it from the one before; blocks are opened."""
    separators = r"(&&|\|\||(?<!>)&|[|\n])" if cmd else r"(&&|\|\||[;|\n])"
    parts = ["", *re.split(separators, text if cmd else _BLOCK.sub(r"\1;", text))]
    return list(zip(parts[::2], parts[1::2], strict=False))[:200]


def _listed(words: list[Word]) -> list[Word]:
    """The files that a stage hands to the next: ``Get-ChildItem C:\\ -Recurse``."""
    if words[0].text.lower() not in _LISTING:
        return []
    named, pattern = [], "*"
    for before, word in pairwise(words):
        option = before.text.lower() if before.text[:1] == "-" else ""
        if option in ("-filter", "-include", "-name"):
            pattern = word.text
        elif word.text[:1] != "-" and option in ("", "-path", "-literalpath", "-recurse", "-force", "-file", "-r"):
            named.append(word.text)
    return [Word(f"{name.rstrip('/')}/{pattern}", True) for name in named or ["."]]


def _variables(text: str, shell: Shell) -> str:
    home = shell.home or UNKNOWN
    text = re.sub(r"(?i)\$(?:env:)?(?:HOME|USERPROFILE)\b", lambda _: home, text)
    return re.sub(r"\$(?:env:)?\{?[\w:]+\}?", UNKNOWN, text)
