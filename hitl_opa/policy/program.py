"""All modules together: what is defined where, and which names mean what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from hitl_opa.policy.syntax import Module, Node, Path, Rule, constant_path, constant_prefix, expressions


class Program:
    """The rules of every module by full path, and name resolution over them."""

    def __init__(self, modules: Iterable[Module], data: Any = None) -> None:
        self.modules = list(modules)
        self.data = data if data is not None else {}
        self._by_package: dict[Path, set[Path]] = {}
        self.rules: dict[Path, list[Rule]] = defaultdict(list)
        for module in self.modules:
            for rule in module.rules:
                self.rules[rule.path].append(rule)

    def resolve(self, module: Module, node: Node) -> Path | None:
        """The full path (without ``data``) of the constant part of a reference, None for a local name or input."""
        parts = constant_prefix(node)
        if not parts or parts[0] == "input":
            return None
        if parts[0] == "data":
            return parts[1:]
        if (*module.package, parts[0]) in self._heads(module.package):
            return (*module.package, *parts)
        if (path := module.imports.get(parts[0])) is not None:
            return (*path[1:], *parts[1:]) if path[0] == "data" else None
        return None

    def function(self, module: Module, node: Node) -> Rule | None:
        """The user-defined function that a call names, None for a built-in or an unknown one."""
        path = self.resolve(module, node)
        found = self.rules.get(path, []) if path else []
        return next((rule for rule in found if rule.args >= 0), None)

    def rule(self, module: Module, node: Node) -> tuple[list[Rule], Path]:
        """The definitions of the rule that a reference reaches into, and the rest of the path."""
        path = self.resolve(module, node) or ()
        for length in range(len(path), 0, -1):
            if found := self.rules.get(path[:length]):
                return found, path[length:]
        return [], path

    def always(self, module: Module, node: Node) -> bool:
        """Whether a reference to a rule or to data has a value whatever the input is."""
        found, rest = self.rule(module, node)
        if found:
            whole = any(r.kind in ("set", "object", "default") or _fixed(r) for r in found)
            return whole and not rest
        value = self.data
        for part in self.resolve(module, node) or ("",):
            if not isinstance(value, dict) or part not in value:
                return False
            value = value[part]
        return constant_path(node) is not None

    def reaches(self, module: Module, nodes: Any) -> set[Path]:
        """The rules that these nodes refer to; a reference that ends in a variable reaches all below it."""
        reached: set[Path] = set()
        for kind, node in expressions(nodes):
            if kind not in ("Var", "RefDot", "RefBrack") or not (path := self.resolve(module, node)):
                continue
            whole = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in self.rules), None)
            if whole is not None:
                reached.add(whole)
            elif kind == "RefBrack" and constant_path(node) is None:
                reached.update(other for other in self.rules if other[: len(path)] == path)
        return reached

    def _heads(self, package: Path) -> set[Path]:
        if package not in self._by_package:
            self._by_package[package] = {
                (*package, rule.path[len(package)])
                for module in self.modules
                if module.package == package
                for rule in module.rules
                if len(rule.path) > len(package)
            }
        return self._by_package[package]


def _fixed(rule: Rule) -> bool:
    """``ranks := {"low": 0}``: no body, and a value that has nothing in it to be undefined."""
    spec = rule.node.get("Spec")
    if rule.kind != "value" or spec is None or spec["bodies"]:
        return False
    kinds = {kind for kind, _ in expressions(spec["head"]["Compr"]["assign"])}
    return not kinds & {"Var", "Call", "RefDot", "RefBrack"}
