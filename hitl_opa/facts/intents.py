"""What the arguments of a tool say of its action, besides its name."""

from __future__ import annotations

import re
from typing import Any

from hitl_opa.facts.data import load
from hitl_opa.facts.names import chosen, class_of, parts

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:/ -]*\Z")  # of a tool; what else a name holds may hide what it says
_MUTATION = re.compile(
    r"\s*(?:#[^\n]*\n\s*)*mutation\b[^{]*\{\s*(?:\w+\s*:\s*)?(\w*)"
)  # of GraphQL, and its first field
_SECRET = re.compile(r"(?i)secret|token|passw|api_?key|credential|private_?key|access_?key")
_VARIABLES = frozenset({"env", "environment", "variable", "variables", "var", "getenv"})


def intent(
    tool: str, kind: str, words: list[str], arguments: dict[str, Any], fields: list[tuple[str, Any, str]]
) -> str:
    """The class of action, where arguments say more than the name that stands for ``kind``."""
    verbs = load().names.verbs
    kind = chosen(kind, fields, verbs)
    if kind in ("query", "run", ""):
        for _, value, _ in fields:
            if isinstance(value, str) and (mutation := _MUTATION.match(value)):
                said = class_of(list(parts(mutation[1])), verbs)[0]
                return said if said not in ("", "query", "local") else "write"
    if kind == "" and _converts(words, arguments):
        return "query"
    if kind != "query":
        return kind
    if not _NAME.match(tool):
        return ""
    for _, value, key in fields:
        said = class_of([*parts(key)][:1], verbs)[0] if value is True else ""
        if said in ("delete", "stop", "publish"):  # "delete_after": true
            return said
    if _VARIABLES & {*words} and any(isinstance(v, str) and v.isupper() and _SECRET.search(v) for _, v, _ in fields):
        return "secret"
    return "write" if _stores(arguments) else kind


def _converts(words: list[str], arguments: dict[str, Any]) -> bool:
    """``gallon_to_liter(gallon=5)``: a number of one unit in another."""
    numbers = [v for v in arguments.values() if isinstance(v, int | float) and not isinstance(v, bool)]
    return len(words) == 3 and words[1] == "to" and len(numbers) == len(arguments) == 1


def _stores(arguments: dict[str, Any]) -> bool:
    """Whether an aggregation's last stage writes a collection."""
    stages = str(arguments.get("pipeline", ""))
    return any(f"'{name}'" in stages or f'"{name}"' in stages for name in ("$out", "$merge"))
