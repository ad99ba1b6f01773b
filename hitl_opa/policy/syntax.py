"""Parsed Rego, as the lint rules read it: regorus' syntax tree with positions and resolved names.

A node is a dict with one key, its kind (``Var``, ``Call``, ``RefDot`` …). `parse` has to run in a
process that may die: regorus can hang or crash on hostile text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

Node = dict[str, Any]
Path = tuple[str, ...]

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPAN = frozenset(("line", "col", "start", "end"))


class At(NamedTuple):
    """A place in a file; both count from 1."""

    line: int
    column: int


class Rule(NamedTuple):
    """One definition. ``kind``: value, set, object, function, default. ``path`` is the full path
    (``hitl.lib.ranks``) up to the first part that is no constant; ``args`` -1 for what is no function."""

    kind: str
    path: Path
    args: int
    at: At
    node: Node


class Module(NamedTuple):
    """One file. ``imports``: local name -> path, without the leading ``data`` for data paths."""

    file: str
    package: Path
    imports: dict[str, Path]
    rules: list[Rule]
    tree: Node
    source: str

    @property
    def test(self) -> bool:
        return self.file.endswith("_test.rego")

    def word(self, span: dict[str, int]) -> str:
        """The name at a span, for the places where the tree has only the span."""
        line = self.source.split("\n")[span["line"] - 1]
        found = _WORD.match(line, column(line, span["col"]) - 1)
        return found[0] if found else ""

    def place(self, at: At) -> At:
        """A place as editors count it: regorus counts a tab as four columns."""
        return At(at.line, column(self.source.split("\n")[at.line - 1], at.column))


def parse(file: str, source: str) -> Module:
    """Parse one file. Raises what regorus raises, BaseException included."""
    from hitl_opa.engines.embedded import syntax_tree

    tree = syntax_tree(file, source)
    package = constant_path(tree["package"]["refr"]) or ()
    imports: dict[str, Path] = {}
    for item in tree["imports"]:
        path = constant_path(item["refr"])
        if path and path[0] in ("data", "input"):
            alias = item.get("as")
            imports[_alias(source, alias) if alias else path[-1]] = path
    rules = [_rule(package, node) for node in tree["rules"]]
    return Module(file, package, imports, rules, tree, source)


def column(line: str, counted: int) -> int:
    """The column, from 1 and a tab being one, of the place that regorus counts as ``counted``."""
    width = 1
    for number, char in enumerate(line, 1):
        if width >= counted:
            return number
        width += 4 if char == "\t" else 1
    return len(line) + 1


def _alias(source: str, span: dict[str, int]) -> str:
    line = source.split("\n")[span["line"] - 1]
    found = re.match(r"(?:as\s+)?(\w+)", line[column(line, span["col"]) - 1 :])
    return found[1] if found else ""


def _rule(package: Path, node: Node) -> Rule:
    if default := node.get("Default"):
        path = (*package, *constant_prefix(default["refr"]))
        return Rule("default", path, len(default["args"]) or -1, at(default["refr"]), node)
    head = node["Spec"]["head"]
    ((kind, body),) = head.items()
    refr = body["refr"]
    path = (*package, *constant_prefix(refr))
    if kind == "Func":
        return Rule("function", path, len(body["args"]), at(refr), node)
    if kind == "Set":
        return Rule("set", path, -1, at(refr), node)
    partial = constant_path(refr) is None
    return Rule("object" if partial else "value", path, -1, at(refr), node)


def kind_of(node: Any) -> str:
    """The kind of an expression, ``""`` for what is none."""
    return next(iter(node)) if isinstance(node, dict) and len(node) == 1 else ""


def constant_path(node: Any) -> Path | None:
    """``a.b["c"]`` as ``("a", "b", "c")``; None where a part is no constant name."""
    parts: list[str] = []
    while True:
        kind = kind_of(node)
        if kind == "Var":
            return (node["Var"]["value"], *reversed(parts))
        if kind == "RefDot":
            parts.append(node["RefDot"]["field"][1])
            node = node["RefDot"]["refr"]
        elif kind == "RefBrack" and kind_of(index := node["RefBrack"]["index"]) in ("String", "RawString"):
            parts.append(index[kind_of(index)]["value"])
            node = node["RefBrack"]["refr"]
        else:
            return None


def constant_prefix(node: Any) -> Path:
    """The leading part of a reference whose names are constants."""
    while (path := constant_path(node)) is None:
        kind = kind_of(node)
        if kind not in ("RefDot", "RefBrack"):
            return ()
        node = node[kind]["refr"]
    return path


def at(node: Any) -> At:
    """Where the node's text begins: the leftmost place in it."""
    best: At | None = None
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if item.keys() >= _SPAN:
                place = At(item["line"], item["col"])
                best = place if best is None or place < best else best
            else:
                stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return best or At(1, 1)


def expressions(node: Any) -> Iterator[tuple[str, Node]]:
    """Every (kind, inner node) below, parents before children."""
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, dict):
            kind = kind_of(item)
            if kind and kind[0].isupper() and isinstance(item[kind], dict):
                yield kind, item
            stack.extend(reversed(list(item.values())))


def bodies(node: Any) -> Iterator[list[Node]]:
    """Every query (a list of statements) below: rule bodies, comprehensions, ``every``."""
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, dict):
            if "stmts" in item:
                yield item["stmts"]
            stack.extend(reversed(list(item.values())))
