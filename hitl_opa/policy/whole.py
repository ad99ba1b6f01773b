"""The portable profile, part three: what only shows over a whole file or all files together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

from hitl_opa.policy.checks import finding
from hitl_opa.policy.finding import Finding
from hitl_opa.policy.program import Program
from hitl_opa.policy.syntax import Module, Path, Rule, at, constant_path

MAX_LINE = 1024  # bytes: regorus refuses longer ones
MAX_NESTING = 12  # square and curly brackets: regorus takes twice as long to parse each further level
MAX_PARENTHESES = 64
MAX_CHAIN = 200  # rules that depend on each other: a thousand and more overflow regorus' stack
_OPEN = "[({"
_CLOSE = {"]": "[", ")": "(", "}": "{"}
_MARK = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\\n])*"|`[^`]*`|\$["`]|[\[\](){}]|\n""")


def text(file: str, source: str) -> Iterator[Finding]:
    """``line-length``, ``nesting``, ``template-string``: what must not even reach the parser."""

    def found(line: int, column: int, rule: str, message: str, fix: str) -> Finding:
        return Finding(file=file, line=line, column=column, rule=rule, message=message, fix=fix)

    for number, content in enumerate(source.split("\n"), 1):
        if len(content.encode()) > MAX_LINE:
            yield found(number, MAX_LINE, "line-length", f"the line is longer than {MAX_LINE} bytes", "Break it up")
    if "\x00" in source:
        yield found(source.count("\n", 0, source.index("\x00")) + 1, 1, "nul", "a NUL character", "Remove it")
    line, start = 1, 0
    depth = dict.fromkeys(_OPEN, 0)
    for match in _MARK.finditer(source):
        mark = match[0]
        column = match.start() - start + 1
        if mark in _OPEN:
            depth[mark] += 1
            if depth["("] > MAX_PARENTHESES or depth["["] + depth["{"] > MAX_NESTING:
                yield found(line, column, "nesting", f"nested more than {MAX_NESTING} deep", "Use helper rules")
                return
        elif mark in _CLOSE:
            depth[_CLOSE[mark]] -= 1
        elif mark[0] == "$":
            yield found(line, column, "template-string", "the embedded engine has no template strings", "Use sprintf")
        if "\n" in mark:
            line += mark.count("\n")
            start = match.start() + mark.rindex("\n") + 1


def imports(module: Module, _program: Program) -> Iterator[Finding]:
    """``import``: only data, input, rego.v1 and the keywords that are part of the language anyway."""
    for item in module.tree["imports"]:
        path = constant_path(item["refr"]) or ()
        if path[:1] in (("data",), ("input",)) or path == ("rego", "v1"):
            continue
        if path[:2] == ("future", "keywords") and path[2:] in ((), ("in",), ("if",), ("every",), ("contains",)):
            continue
        yield finding(
            module,
            at(item),
            "import",
            f"import {'.'.join(path)} changes what the file means in one of the engines",
            "Remove the import; `not` over helper rules needs none",
        )


def clashes(module: Module, program: Program) -> Iterator[Finding]:
    """``clash``: one path, two kinds of rule or two defaults. The embedded engine tells late or never."""
    for rule in module.rules:
        others = program.rules[rule.path]
        shape = _shape(rule)
        for other in others:
            both_defaults = rule.kind == other.kind == "default" and other is not rule
            if (shape is not None and _shape(other) not in (None, shape)) or both_defaults:
                yield finding(
                    module,
                    rule.at,
                    "clash",
                    f"data.{'.'.join(rule.path)} is defined in two ways",
                    "Rename one, or give both the same kind and number of arguments",
                )
                break


def _shape(rule: Rule) -> tuple[str, int] | None:
    return ("function" if rule.args >= 0 else "value", rule.args) if rule.kind == "default" else (rule.kind, rule.args)


def packages(module: Module, users: frozenset[str], prefix: Path) -> Iterator[Finding]:
    """``package``: a user's policy adds to its own package and changes no other. Tests never reach a guard's engine."""
    if module.file in users and not module.test and module.package[: len(prefix)] != prefix:
        yield finding(
            module,
            at(module.tree["package"]),
            "package",
            f"package {'.'.join(module.package)} belongs to hitl-opa",
            f"Use package {'.'.join(prefix)}, or one below it",
        )


def unheard(module: Module, users: frozenset[str], prefix: Path) -> Iterator[Finding]:
    """``unheard``: reasons, obligations or refusals below the user's package, where nobody looks: a deny lost."""
    if module.file not in users or module.test or len(module.package) <= len(prefix):
        return
    for rule in module.rules:
        if rule.path[-1] in ("reasons", "obligations", "refusals"):
            yield finding(
                module,
                rule.at,
                "unheard",
                f"data.{'.'.join(rule.path)} is read by nobody, so what it says never counts",
                f"Put it into package {'.'.join(prefix)}; any number of files may",
            )


def chains(modules: Iterable[Module], program: Program) -> Iterator[Finding]:
    """``recursion`` and ``chain``: rules of these modules that depend on themselves, or on others very deeply."""
    definitions: dict[Path, list[tuple[Module, Rule]]] = {}
    for module in program.modules:
        for rule in module.rules:
            definitions.setdefault(rule.path, []).append((module, rule))
    owners = {path: found[0] for path, found in definitions.items()}

    @cache
    def uses(path: Path) -> list[Path]:
        return sorted({used for module, rule in definitions[path] for used in _uses(program, module, rule)})

    depth: dict[Path, int] = {}
    for start in (rule.path for module in modules for rule in module.rules):
        if start in depth:
            continue
        stack: list[tuple[Path, Iterator[Path]]] = [(start, iter(uses(start)))]
        open_: set[Path] = {start}
        while stack:
            path, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                open_.discard(path)
                depth[path] = 1 + max((depth.get(p, 0) for p in uses(path)), default=0)
                if depth[path] == MAX_CHAIN + 1:
                    module, rule = owners[path]
                    what = f"data.{'.'.join(path)} depends on a chain of more than {MAX_CHAIN} rules"
                    yield finding(module, rule.at, "chain", what, "Flatten the chain: it overflows the embedded engine")
            elif following in open_:
                module, rule = owners[following]
                yield finding(
                    module,
                    rule.at,
                    "recursion",
                    f"data.{'.'.join(following)} depends on itself, through data.{'.'.join(path)}",
                    "Break the circle; `walk` visits nested values",
                )
            elif following not in depth:
                open_.add(following)
                stack.append((following, iter(uses(following))))


def _uses(program: Program, module: Module, rule: Rule) -> set[Path]:
    """What a rule's bodies and values refer to; its own head is not a use."""
    spec = rule.node.get("Spec")
    if spec is None:
        return set()
    head = next(iter(spec["head"].values()))
    used = [head.get("key"), head.get("assign"), *spec["bodies"]]
    return program.reaches(module, used)
