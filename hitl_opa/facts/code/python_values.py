"""Values of Python expressions that are constant though they are calls."""

from __future__ import annotations

import ast
import base64
import binascii
import codecs
from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN

if TYPE_CHECKING:
    from hitl_opa.facts.code.python_reader import Reader


def decode(name: str, text: str, args: list[str]) -> str:
    if UNKNOWN in text:
        return UNKNOWN
    try:
        if "fromhex" in name or "unhexlify" in name:
            return bytes.fromhex(text).decode("utf-8", "replace")
        if "b64" in name or "decodebytes" in name or "base64" in name:
            return base64.b64decode(text + "==").decode("utf-8", "replace")
        if name == "codecs.decode" and len(args) > 1 and args[1].lower().replace("_", "") in ("rot13", "rot-13"):
            return codecs.decode(text, "rot13")
    except (ValueError, binascii.Error):
        return UNKNOWN
    return UNKNOWN


def constant(reader: Reader, name: str, node: ast.Call) -> str:
    """Values of calls without effect: ``chr(114)``."""
    if name == "chr" and len(node.args) == 1:
        value = reader.value(node.args[0])
        return chr(int(value)) if value.isdigit() and 0 < int(value) < 0xD800 else UNKNOWN
    return UNKNOWN


def method(reader: Reader, node: ast.Call, name: str) -> str:
    """Values of string methods on constants; ``recv`` and ``read`` bring in what is not known."""
    if not isinstance(node.func, ast.Attribute):
        return UNKNOWN
    text = reader.value(node.func.value)
    if name in ("recv", "recvfrom") and reader.socket:
        reader.origin |= {"remote"}
    args = [reader.value(a) for a in node.args]
    if name == "format":
        out = text
        for i, arg in enumerate(args):
            out = out.replace(f"{{{i}}}", arg).replace("{}", arg, 1)
        for keyword in node.keywords:
            out = out.replace("{" + (keyword.arg or "") + "}", reader.value(keyword.value))
        return out
    if name == "join" and node.args and isinstance(node.args[0], ast.List | ast.Tuple):
        return text.join(reader.value(e) for e in node.args[0].elts)
    if UNKNOWN in text or any(UNKNOWN in a for a in args):
        return UNKNOWN if name not in ("strip", "decode", "encode", "expanduser", "resolve", "absolute") else text
    if name in ("strip", "lstrip", "rstrip", "lower", "upper"):
        return str(getattr(text, name)(*args[:1]))
    if name == "replace" and len(args) >= 2:
        return text.replace(args[0], args[1])
    if name in ("decode", "encode", "resolve", "absolute", "as_posix"):
        return text
    if name == "expanduser":
        return text.replace("~", reader.shell.home or UNKNOWN, 1) if text[:1] == "~" else text
    if name == "joinpath":
        return "/".join([text.rstrip("/"), *args])
    if name in {"with_suffix", "with_name"}:
        return text
    return UNKNOWN


def secret(reader: Reader, node: ast.expr) -> bool:
    """Whether an expression is made of the environment."""
    return any(
        isinstance(part, ast.Attribute | ast.Name) and reader.full_name(part).startswith(("os.environ", "os.getenv"))
        for part in ast.walk(node)
    )
