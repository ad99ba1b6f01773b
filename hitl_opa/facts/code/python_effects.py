"""What a Python call does to the ledger, given the action that ``python_calls`` names."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.frame import UNREAD, Stream
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.code.python_reader import Reader
from hitl_opa.facts.code.python_values import decode, secret

_DOMESTIC = frozenset({"credentials", "env-file", "system-auth"})
_CARRIED = frozenset({"remote", "decoded"})
_DECODED = frozenset({"decoded"})


def _arguments(reader: Reader, node: ast.Call) -> tuple[list[str], dict[str, str]]:
    return [reader.value(a) for a in node.args], {k.arg or "**": reader.value(k.value) for k in node.keywords}


def _path(reader: Reader, verb: str, text: str, traits: tuple[str, ...] = ()) -> str:
    glob = any(c in text for c in "*?")
    place = reader.shell.path(verb, Word(text, glob), reader.frame, via=reader.via, traits=traits)
    if verb == "write":
        reader.shell.wrote(text, reader.frame, Stream(None, reader.origin & _CARRIED))
    if verb == "read" and place in _DOMESTIC:
        reader.origin |= {"secret"}
    return place


def _url(reader: Reader, verb: str, text: str) -> None:
    traits = {*reader.frame.traits, "upload" if verb == "send" else "download"}
    if verb == "send" and "secret" in reader.origin:
        traits.add("secret")
    reader.shell.ledger.url(
        verb, text or UNKNOWN, via=reader.via, traits=tuple(sorted(traits)), certain=reader.frame.certain
    )
    if verb == "receive":
        reader.origin |= {"remote"}


def act(reader: Reader, action: str, node: ast.Call, name: str, receiver: str) -> str:
    """Takes the effect of a known call and returns its value as far as constant."""
    shell, frame, via = reader.shell, reader.frame, reader.via
    verb, _, position = action.partition(" ")
    index = int(position) if position else 0
    if verb in ("shell", "process", "argv"):
        return _process(reader, verb, index, node)
    args, keywords = _arguments(reader, node)
    first = (
        args[index]
        if index < len(args)
        else next(
            (keywords[k] for k in ("path", "url", "file", "filename", "args", "cmd", "src") if k in keywords), UNKNOWN
        )
    )
    if verb == "open":
        mode = args[1] if len(args) > 1 else keywords.get("mode", "r")
        if name == "os.open":
            mode = (
                "w"
                if "O_W" in ast.unparse(node) or "O_RDWR" in ast.unparse(node) or "O_CREAT" in ast.unparse(node)
                else "r"
            )
        if any(c in mode for c in "wax+") or UNKNOWN in mode:
            _path(reader, "write", first, ("append",) if "a" in mode else ("overwrite",))
        else:
            _path(reader, "read", first)
        return UNKNOWN
    if verb in ("read", "delete", "write"):
        if "inplace" in keywords:
            verb = "write"
        _path(
            reader,
            verb,
            first if args or keywords else ".",
            ("recursive",) if name in ("os.walk", "os.removedirs") else (),
        )
        return first if name in ("glob.glob", "glob.iglob") else UNKNOWN
    if verb == "delete-tree":
        _path(reader, "delete", first, ("recursive",))
    elif verb == "chmod":
        mode = args[1] if len(args) > 1 else ""
        traits = set()
        if mode.isdigit():
            bits = int(mode)
            traits = ({"world-writable"} if bits & 0o002 else set()) | ({"setuid"} if bits & 0o6000 else set())
        elif UNKNOWN in mode and "S_ISUID" in ast.unparse(node):
            traits = {"setuid"}
        _path(reader, "write", first, tuple(sorted(traits)))
    elif verb in ("copy", "move"):
        _path(reader, "delete" if verb == "move" else "read", first, ("recursive",) if "tree" in name else ())
        if "tree" in name:
            shell.copies(Word(first), frame, via)
        _path(reader, "write", args[1] if len(args) > 1 else UNKNOWN, ("overwrite",))
    elif verb in ("archive", "unpack"):
        packed = args[2] if len(args) > 2 else keywords.get("root_dir", first)
        _path(reader, "read", packed if verb == "archive" else first)
        if verb == "archive":
            shell.copies(Word(packed), frame, via)
        _path(reader, "write", first if verb == "archive" else (args[1] if len(args) > 1 else "."))
    elif verb in ("receive", "send"):
        sends = verb == "send"
        _url(
            reader,
            "send"
            if sends
            or ("secret" in reader.origin and ("params" in keywords or "data" in keywords))
            or (UNKNOWN in first and any(secret(reader, arg) for arg in node.args[:1]))
            else "receive",
            first,
        )
        if name.endswith("urlretrieve") and len(args) > 1:
            reader.origin |= {"remote"}
            _path(reader, "write", args[1])
    elif verb == "urlopen":
        sends = len(args) > 1 or "data" in keywords or reader.values.get("@request") == "data"
        target = first if first != UNKNOWN else reader.values.get("@url", UNKNOWN)
        _url(reader, "send" if sends else "receive", target)
    elif verb == "request":
        reader.values["@url"] = first
        method = keywords.get("method", "GET").upper()
        if len(args) > 1 or "data" in keywords or method not in ("GET", "HEAD", UNKNOWN):
            reader.values["@request"] = "data"
            _url(reader, "send", first)
        return first
    elif verb == "connect":
        _connect(reader, node, first)
    elif verb == "socket":
        reader.socket = True
    elif verb == "dynamic":
        return _dynamic(reader, node, name, first)
    elif verb == "import":
        if UNKNOWN in first:
            shell.ledger.opaque("dynamic-code", ast.unparse(node)[:200], via)
    elif verb == "run-file":
        shell.ledger.effect(
            "execute", "code", first, place="unknown", via=via, traits=frame.traits, certain=frame.certain
        )
    elif verb == "getattr":
        attribute = args[1] if len(args) > 1 else UNKNOWN
        base = node.args[0] if node.args else None
        if (isinstance(base, ast.Name) and base.id in reader.names) or isinstance(base, ast.Call):
            shell.ledger.opaque("dynamic-code", f"getattr({ast.unparse(node.args[0])[:80]}, {attribute})", via)
    elif verb == "kill":
        signal = ast.unparse(node.args[1]) if len(node.args) > 1 else ""
        everything = first in ("-1", "1", "0")
        if signal != "0":
            shell.ledger.effect(
                "stop",
                "process",
                first,
                place="all" if everything else "unknown",
                via=via,
                traits=frame.traits,
                certain=frame.certain,
            )
    elif verb == "stop":
        shell.ledger.effect("stop", "process", "", place="unknown", via=via, traits=frame.traits, certain=frame.certain)
    elif verb == "bomb":
        if reader.loops:
            shell.ledger.effect(
                "execute", "process", "fork", place="all", via=via, traits=("fork-bomb",), certain=frame.certain
            )
    elif verb == "dup":
        reader.dup = True
        _reverse(reader)
    elif verb == "decode":
        reader.origin |= _DECODED
        return decode(name, first, args)
    elif verb == "escalate":
        shell.ledger.effect(
            "escalate", "system", first, place="privilege", via=via, traits=frame.traits, certain=frame.certain
        )
    elif verb == "home":
        return first.replace("~", shell.home or UNKNOWN, 1) if args else shell.home or UNKNOWN
    elif verb == "environ":
        if first == "HOME":
            return shell.home or UNKNOWN
        if re.search(r"(?i)secret|token|passw|key|credential", first) or name.endswith("copy"):
            reader.origin |= {"secret"}
        return args[1] if len(args) > 1 else UNKNOWN
    elif verb == "print":
        reader.printed = (
            None
            if reader.printed is None or any(UNKNOWN in a for a in args)
            else reader.printed + " ".join(args) + "\n"
        )
    elif verb == "join":
        out = ""
        for part in args:
            out = part if part[:1] == "/" or not out else f"{out.rstrip('/')}/{part}"
        return out or "."
    elif verb == "same":
        return first
    elif verb == "cwd":
        return frame.cwd or UNKNOWN
    elif verb == "chdir":
        frame.cwd = shell.absolute(first, frame) if UNKNOWN not in first else UNKNOWN
    elif verb == "sql":
        shell.ledger.effect("query", "database", "", via=via, traits=frame.traits, certain=frame.certain)
    elif verb in ("serve", "listen"):
        if verb == "serve" or reader.socket:
            shell.ledger.effect(
                "configure",
                "system",
                "",
                place="network",
                via=via,
                traits=tuple(sorted({"listen", *frame.traits})),
                certain=frame.certain,
            )
    elif verb == "secret":
        reader.origin |= {"secret"}
        shell.ledger.effect("read", "secret", first, via=via, traits=frame.traits, certain=frame.certain)
    elif verb in ("settings", "schedule"):
        shell.ledger.effect("configure", "system", name, place=verb, via=via, traits=frame.traits)
    elif verb == "types":
        shell.ledger.opaque("dynamic-code", ast.unparse(node)[:200], via)
    elif verb == "install":
        shell.ledger.effect("execute", "code", "pip", place="package", via=via, traits=frame.traits)
    elif verb.startswith("method-") or verb in (
        "extract",
        "socket-send",
        "session-send",
        "session-get",
        "execute-sql",
        "remote-command",
        "decode-method",
    ):
        return _method_act(reader, verb, node, args, keywords, receiver)
    return UNKNOWN


def _method_act(
    reader: Reader, verb: str, node: ast.Call, args: list[str], keywords: dict[str, str], receiver: str
) -> str:
    shell, frame, via = reader.shell, reader.frame, reader.via
    base = node.func.value if isinstance(node.func, ast.Attribute) else None
    target = reader.value(base) if base is not None else UNKNOWN
    pathlike = (
        "Path" in receiver
        or (
            base is not None
            and isinstance(base, ast.Name | ast.BinOp | ast.Call | ast.Attribute)
            and target not in ("", UNKNOWN)
        )
        or "path" in "".join(reader.names.values()).lower()
    )
    if verb == "method-open":
        if not pathlike:
            return UNKNOWN
        mode = args[0] if args else keywords.get("mode", "r")
        _path(reader, "write" if any(c in mode for c in "wax+") else "read", target)
    elif verb in ("method-read", "method-write", "method-delete"):
        if pathlike:
            _path(reader, verb.removeprefix("method-"), target, ("overwrite",) if verb == "method-write" else ())
    elif verb == "method-rename":
        if pathlike:
            _path(reader, "delete", target)
            _path(reader, "write", args[0] if args else UNKNOWN)
    elif verb == "extract":
        _path(reader, "write", args[0] if args else keywords.get("path", "."), ("recursive",))
    elif verb == "socket-send":
        if reader.socket or "SMTP" in receiver or "FTP" in receiver:
            _url(reader, "send", reader.values.get("@host", UNKNOWN))
    elif verb == "session-send":
        _url(reader, "send", args[0] if args else keywords.get("url", UNKNOWN))
    elif verb == "session-get":
        _url(reader, "receive", args[0] if args else keywords.get("url", UNKNOWN))
    elif verb == "execute-sql":
        from hitl_opa.facts.sql import read_sql

        if args and (UNKNOWN in args[0] or " " in args[0]):
            read_sql(shell.ledger, args[0].replace(UNKNOWN, "?"), via=via, traits=frame.traits, certain=frame.certain)
    elif verb == "remote-command":
        shell.ledger.effect(
            "execute", "host", reader.values.get("@host", "?"), place="unknown", via=via, traits=frame.traits
        )
        shell.script(args[0] if args and UNKNOWN not in args[0] else ":", frame.copy(), UNREAD, via=via)
    return UNKNOWN


def _connect(reader: Reader, node: ast.Call, first: str) -> None:
    if (
        isinstance(node.func, ast.Attribute)
        and not reader.socket
        and node.func.attr in ("connect", "connect_ex")
        and not (node.args and isinstance(node.args[0], ast.Tuple))
    ):
        return
    host = first
    if node.args and isinstance(node.args[0], ast.Tuple) and node.args[0].elts:
        host = reader.value(node.args[0].elts[0])
    reader.values["@host"] = host
    reader.socket = True
    reader.shell.ledger.url(
        "send",
        host,
        via=reader.via,
        traits=tuple(sorted({"upload", *reader.frame.traits})),
        certain=reader.frame.certain,
    )
    _reverse(reader)


def _reverse(reader: Reader) -> None:
    if reader.dup and reader.socket:
        reader.shell.ledger.effect(
            "execute",
            "code",
            "",
            place="remote",
            via=reader.via,
            traits=tuple(sorted({"reverse-shell", *reader.frame.traits})),
            certain=reader.frame.certain,
        )


def _process(reader: Reader, how: str, index: int, node: ast.Call) -> str:
    from hitl_opa.facts.shell.code import shell_text

    shell = reader.shell
    frame = reader.frame.within(reader.via)
    target = (
        node.args[index]
        if index < len(node.args)
        else next((k.value for k in node.keywords if k.arg in ("args", "cmd", "command")), None)
    )
    if target is None:
        return UNKNOWN
    for keyword in node.keywords:
        if keyword.arg == "cwd":
            value = reader.value(keyword.value)
            frame.cwd = shell.absolute(value, frame) if UNKNOWN not in value else UNKNOWN
        elif keyword.arg not in ("args", "cmd"):
            reader.value(keyword.value)
    words = reader.argv(target)
    if how == "argv" and words is None:
        rest = node.args[index:]
        if len(rest) > 1:
            words = [
                Word(reader.value(rest[0])),
                *[Word(reader.value(a)) for a in rest[2 if isinstance(rest[1], ast.Constant) and index == 0 else 1 :]],
            ]
            listed = reader.argv(rest[1])
            if listed is not None:
                words = [words[0], *listed[1:]]
    if reader.socket and "remote" not in reader.origin and "recv" in reader.values.get("@last", ""):
        reader.origin |= {"remote"}
    if words is not None and not any(
        k.arg == "shell" and isinstance(k.value, ast.Constant) and k.value.value for k in node.keywords
    ):
        return shell.run(words, frame, UNREAD).text or UNKNOWN if words else UNKNOWN
    text = " ".join(w.text for w in words) if words is not None else reader.value(target)
    origin = frozenset[str]() if UNKNOWN not in text else reader.origin & frozenset({"remote", "decoded"})
    if reader.socket and UNKNOWN in text:
        shell.ledger.effect(
            "execute",
            "code",
            "",
            place="remote",
            via=reader.via,
            traits=tuple(sorted({"reverse-shell", *frame.traits})),
            certain=frame.certain,
        )
    return shell_text(shell, frame, Word(text, False, origin), UNREAD, reader.via).text or UNKNOWN


def _dynamic(reader: Reader, node: ast.Call, name: str, text: str) -> str:
    from hitl_opa.facts.code import read_code

    shell, frame, via = reader.shell, reader.frame, reader.via
    if name in ("eval", "exec", "compile", "execfile") and UNKNOWN not in text:
        if "decoded" in reader.origin:
            shell.ledger.opaque("decoded-code", text, via)
        read_code(shell, frame, "python", Word(text), UNREAD, via)
        return UNKNOWN
    if name in ("yaml.load",) and ("Safe" in ast.unparse(node) or "CSafe" in ast.unparse(node)):
        return UNKNOWN
    kind = "decoded-code" if "decoded" in reader.origin or "pickle" in name or "marshal" in name else "dynamic-code"
    if reader.script:
        return UNKNOWN
    shell.ledger.opaque(kind, ast.unparse(node)[:200], via)
    place = "remote" if "remote" in reader.origin else "unknown"
    shell.ledger.effect("execute", "code", "", place=place, via=via, traits=frame.traits, certain=frame.certain)
    return UNKNOWN
