"""The portable profile, part two: which functions are called, with how many arguments, and with which patterns."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hitl_opa.policy.builtins import PORTABLE, REFUSED
from hitl_opa.policy.checks import finding
from hitl_opa.policy.finding import Finding
from hitl_opa.policy.program import Program
from hitl_opa.policy.syntax import Module, Node, at, bodies, constant_path, expressions, kind_of

_PATTERN_ARGUMENT = {
    "regex.match": 0,
    "regex.find_n": 0,
    "regex.find_all_string_submatch_n": 0,
    "regex.replace": 1,
}
_TEST_ONLY = ("print", "trace")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]", re.DOTALL)
_REPEAT = re.compile(r"\{\d+(?:,\d*)?\}")
_FLAGS = re.compile(r"\(\?([a-zA-Z-]*)[:)]")


def functions(module: Module, program: Program) -> Iterator[Finding]:
    """``function``, ``arity``, ``deterministic``, ``builtin``: only calls that both engines answer alike."""
    for kind, node in expressions([rule.node for rule in module.rules]):
        if kind == "UnaryExpr":
            yield finding(
                module,
                at(node),
                "unary-minus",
                "the embedded engine negates only number literals",
                "Write `0 - x`",
            )
        if kind != "Call":
            continue
        call = node["Call"]
        name = ".".join(constant_path(call["fcn"]) or ("?",))
        given = len(call["params"])
        own = program.function(module, call["fcn"])
        if own is not None:
            if given != own.args:
                yield _arity(module, node, name, own.args, given)
            continue
        if name in REFUSED:
            if not (module.test and name in _TEST_ONLY):
                rule = "deterministic" if "input" in REFUSED[name] and "depend" in REFUSED[name] else "builtin"
                yield finding(module, at(node), rule, f"{name} may not be used", REFUSED[name].capitalize())
            continue
        if name not in PORTABLE:
            yield finding(
                module,
                at(node),
                "function",
                f"{name} is neither a rule of these policies nor a function that both engines have",
                "Correct the name, import its package, or write a helper rule",
            )
        elif given != PORTABLE[name]:
            yield _arity(module, node, name, PORTABLE[name], given)
        elif name == "sprintf":
            yield from _sprintf(module, call["params"])
        elif name in _PATTERN_ARGUMENT:
            yield from _regex(module, program, call["params"][_PATTERN_ARGUMENT[name]])


def _arity(module: Module, node: Node, name: str, wanted: int, given: int) -> Finding:
    """OPA takes one argument more as a name for the result, where a call stands alone; the embedded engine does so
    anywhere."""
    fix = "Write `result := ` before the call" if given == wanted + 1 else "Correct the call"
    return finding(module, at(node), "arity", f"{name} takes {wanted} arguments, not {given}", fix)


def withs(module: Module, _program: Program) -> Iterator[Finding]:
    """``with``: in tests only. Regorus loses imported rules under it where a package has several files."""
    for query in bodies([rule.node for rule in module.rules]):
        for stmt in query:
            if stmt.get("with_mods") and not module.test:
                yield finding(
                    module,
                    at(stmt["literal"]),
                    "with",
                    "under `with` the embedded engine may not find rules of other packages",
                    "Pass what differs as an argument of a function",
                )


def _sprintf(module: Module, params: list[Node]) -> Iterator[Finding]:
    """``sprintf``: %s, %v, %d and %% only, and as many values as verbs."""
    template, values = params[0], params[1]
    text = _literal(template)
    if text is None:
        yield finding(module, at(template), "sprintf", "the template is no literal", "Write the template out in place")
        return
    verbs = re.findall(r"%(.?)", text, re.DOTALL)
    for verb in verbs:
        if verb not in ("s", "v", "d", "%"):
            yield finding(
                module,
                at(template),
                "sprintf",
                f"the engines format %{verb} differently",
                "Use %s, %v, %d or %% without width or flags",
            )
            return
    wanted = sum(verb != "%" for verb in verbs)
    if kind_of(values) != "Array":
        yield finding(module, at(values), "sprintf", "the values are no array literal", "Write the array out in place")
    elif len(values["Array"]["items"]) != wanted:
        yield finding(
            module,
            at(values),
            "sprintf",
            f"{wanted} verbs, {len(values['Array']['items'])} values: the embedded engine fails on that",
            "Give each verb its value",
        )


def _regex(module: Module, program: Program, node: Node) -> Iterator[Finding]:
    """``regex``: the subset that Go's and Rust's engines read alike."""
    pattern = _literal(node)
    if pattern is None:
        found, rest = program.rule(module, node)
        values = [rule.node["Spec"] for rule in found if rule.kind == "value" and not rest]
        heads = [next(iter(spec["head"].values())) for spec in values if not spec["bodies"]]
        pattern = _literal(heads[0]["assign"]["value"]) if len(heads) == 1 and heads[0]["assign"] else None
    if pattern is None:
        yield finding(
            module,
            at(node),
            "regex",
            "the pattern is no literal, so nobody can tell what it means to each engine",
            "Write the pattern out, or give it a rule of its own: `pattern := `…``",
        )
        return
    for what, fix in regex_problems(pattern):
        yield finding(module, at(node), "regex", what, fix)


def regex_problems(pattern: str) -> list[tuple[str, str]]:
    """What Go's and Rust's regular expressions read differently in a pattern: (what, fix)."""
    problems = []
    for char in sorted(set(_ESCAPED.findall(pattern))):
        if char in "dDwWsSbB":
            problems.append((f"\\{char} is Unicode in one engine, ASCII in the other", _ASCII[char]))
        elif char in "QE":
            problems.append((f"\\{char} is not in the embedded engine", "Escape the characters one by one"))
        elif char.isalnum() and char not in "xzAnrtfvapP":
            problems.append((f"\\{char} is not in both engines", "Write the character out"))
        elif char in "<>":
            problems.append((f"\\{char} is a word boundary in one engine", f"Write {char} without the backslash"))
    bare = _ESCAPED.sub("", pattern)
    for group in _CLASS.findall(bare):
        problems += [
            (f"{op} in a class is a set operation in one engine", "Put the character once, or escape it")
            for op in ("&&", "--", "~~")
            if op in group
        ]
        inner = group[1:-1]
        if "[" in re.sub(r"\[:\^?\w+:\]", "", inner):
            problems.append(("[ within a class nests in one engine", r"Escape it: \["))
    outside = _REPEAT.sub("", re.sub(r"[pP]\{\w+\}", "", _CLASS.sub("", re.sub(r"\\[pP]\{\w+\}", "", bare))))
    if "{" in outside or "}" in outside:
        problems.append(("a { that is no repetition is an error in the embedded engine", r"Escape it: \{"))
    if re.search(r"[*+?}][*+]", outside) or re.search(r"\}\{", _REPEAT.sub("{}", outside)):
        problems.append(("a repetition of a repetition is an error in one engine", "Repeat once"))
    if any(int(n) > 1000 for n in re.findall(r"\{(\d+)", bare)):
        problems.append(("a repetition of more than 1000 is an error in one engine", "Repeat less"))
    problems += [
        (f"flag (?{flags}) is not in both engines", "Use only i, m and s")
        for flags in _FLAGS.findall(bare)
        if set(flags) - set("ims-")
    ]
    if not problems and not _balanced(pattern):
        problems.append(("it is no regular expression", "Correct the pattern"))
    return problems


def _balanced(pattern: str) -> bool:
    """Whether it is a pattern at all, in Python's eyes, without what Python spells differently."""
    plain = re.sub(r"\(\?[a-zA-Z-]+\)|\[\[:.*?:\]\]|\\[pPzA](\{\w+\})?", "a", pattern)
    try:
        re.compile(plain.replace("(?<", "(?P<"))
    except (re.error, RecursionError, OverflowError):
        return False
    return True


_ASCII = {
    "d": "Write [0-9]",
    "D": "Write [^0-9]",
    "w": "Write [0-9A-Za-z_]",
    "W": "Write [^0-9A-Za-z_]",
    "s": r"Write [\t\n\f\r ]",
    "S": r"Write [^\t\n\f\r ]",
    "b": "Write (^|[^0-9A-Za-z_]) or ([^0-9A-Za-z_]|$)",
    "B": "Write out what may stand there",
}


def _literal(node: Node) -> str | None:
    kind = kind_of(node)
    return str(node[kind]["value"]) if kind in ("String", "RawString") else None
