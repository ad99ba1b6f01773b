"""The portable profile, part one: what holds for a rule and its body.

Each check is a function from a module to findings. What every one prevents was seen on both
engines, and the tests show it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hitl_opa.policy.builtins import PORTABLE
from hitl_opa.policy.finding import Finding
from hitl_opa.policy.program import Program
from hitl_opa.policy.shapes import MAYBE, RAW, UNKNOWN, Env, environment, shape_of
from hitl_opa.policy.syntax import At, Module, Node, at, constant_path, expressions, kind_of

_CONSTANTS = ("String", "RawString", "Number", "Bool", "Null")
_COMPREHENSIONS = ("ArrayCompr", "SetCompr", "ObjectCompr")
_PARTIAL_RESULTS = ("max", "min", "json.unmarshal", "object.get", "json.patch")  # may be undefined or as found
_ORDERLESS = ("sort", "count", "sum", "max", "min")
_SHOWN = ("sprintf", "every", "is_number", "is_boolean")  # a value that is shown or type-checked decides nothing yet
_RAW_SAFE = ("is_array", "is_object", "is_set")


def finding(module: Module, place: At, rule: str, message: str, fix: str) -> Finding:
    place = module.place(place)
    return Finding(file=module.file, line=place.line, column=place.column, rule=rule, message=message, fix=fix)


def heads(module: Module, program: Program) -> Iterator[Finding]:
    """``bound-head``: a partial rule whose head may be undefined loses its other members in regorus."""
    for rule in module.rules:
        spec = rule.node.get("Spec")
        if spec is None:
            continue
        body = next(iter(spec["head"].values()))
        outputs: list[Node] = []
        if rule.kind == "set":
            outputs = [body["key"]]
        elif rule.kind == "object":
            outputs = [n["RefBrack"]["index"] for k, n in expressions(body["refr"]) if k == "RefBrack"]
            outputs += [body["assign"]["value"]] if body["assign"] else []
        elif rule.kind == "function" and any(b["is_else"] for b in spec["bodies"]):
            outputs = [body["assign"]["value"]] if body["assign"] else []
            outputs += [b["assign"]["value"] for b in spec["bodies"] if b["assign"]]
        for number, output in enumerate(outputs):
            query = spec["bodies"][0]["query"]["stmts"] if spec["bodies"] else []
            if rule.kind == "function" and number:
                query = spec["bodies"][number]["query"]["stmts"] if number < len(spec["bodies"]) else []
            names = set(environment(query, {}))
            if rule.kind == "function":
                names |= {n["Var"]["value"] for arg in body["args"] for k, n in expressions(arg) if k == "Var"}
            if not _bound(output, names) and not program.always(module, output):
                yield finding(
                    module,
                    at(output),
                    "bound-head",
                    "the head may be undefined; the embedded engine then drops other members of the same rule",
                    "Bind it in the body first: `… if { …; r := … }` with `r` in the head",
                )


def _bound(node: Node, names: set[str]) -> bool:
    kind = kind_of(node)
    if kind == "Var":
        return node["Var"]["value"] in names
    if kind in ("Array", "Set"):
        return all(_bound(item, names) for item in node[kind]["items"])
    if kind == "Object":
        return all(_bound(part, names) for _, key, value in node["Object"]["fields"] for part in (key, value))
    return kind in _CONSTANTS or (kind in _COMPREHENSIONS)


def bodies(module: Module, program: Program) -> Iterator[Finding]:
    """Everything that depends on what a body binds; nested bodies see the outer names."""
    for rule in module.rules:
        spec = rule.node.get("Spec")
        if spec is None:
            continue
        head = next(iter(spec["head"].values()))
        args = {n["Var"]["value"]: UNKNOWN for a in head.get("args", ()) for k, n in expressions(a) if k == "Var"}
        env: Env = {name: shape for name, shape in args.items() if name not in ("input", "data", "_")}
        for body in spec["bodies"]:
            yield from _Body(module, program, body["query"]["stmts"], env, frozenset(), [body["assign"], head]).check()
        if not spec["bodies"]:
            yield from _Body(module, program, [], env, frozenset(), [head]).check()


class _Body:
    """One query with the names it sees. ``guards``: texts known to hold here (``x.known``, ``is_array(x)``)."""

    def __init__(
        self, module: Module, program: Program, stmts: list[Node], outer: Env, guards: frozenset[str], also: list[Any]
    ) -> None:
        self.module = module
        self.program = program
        self.stmts = stmts
        self.env = environment(stmts, outer)
        self.guards = guards | {text for stmt in stmts if (text := _guard(stmt))}
        self.also = also  # head, value or term of a comprehension: evaluated with this body's names

    def check(self) -> Iterator[Finding]:
        for stmt in self.stmts:
            literal = stmt["literal"]
            kind = kind_of(literal)
            inner = literal[kind]
            if kind == "NotExpr":
                yield from self._negation(inner["expr"], at(literal))
            if kind == "SomeIn":
                yield from self._scalar(inner["collection"])
            if kind == "Every":
                names = {self.module.word(inner[part]) for part in ("key", "value") if inner[part]}
                outer = {**self.env, **dict.fromkeys(names, UNKNOWN)}
                yield from self._values(inner["domain"], "every")
                yield from _Body(self.module, self.program, inner["query"]["stmts"], outer, self.guards, []).check()
            elif kind != "SomeVars":
                yield from self._values(inner)
        for extra in self.also:
            yield from self._values(extra)

    def _values(self, node: Any, within: str = "") -> Iterator[Finding]:
        """Expressions that are evaluated right here, and the bodies of comprehensions among them."""
        stack: list[tuple[Any, str]] = [(node, within)]  # with what it is an argument of
        while stack:
            item, caller = stack.pop()
            if isinstance(item, list):
                stack.extend((child, caller if caller in _SHOWN else "") for child in reversed(item))
                continue
            if not isinstance(item, dict):
                continue
            kind = kind_of(item)
            if kind in _COMPREHENSIONS:
                inner = item[kind]
                terms = [inner.get("term"), inner.get("key"), inner.get("value")]
                body = _Body(self.module, self.program, inner["query"]["stmts"], self.env, self.guards, terms)
                if kind == "ArrayCompr" and caller not in _ORDERLESS:
                    yield from body.unsorted(item)
                yield from body.check()
                continue
            if kind in ("RefDot", "RefBrack") and caller not in _SHOWN:
                yield from self._known(item)
            if kind == "Call":
                name = ".".join(constant_path(item["Call"]["fcn"]) or ())
                stack.extend((child, name) for child in reversed(item["Call"]["params"]))
                continue
            stack.extend((child, caller if caller in _SHOWN else "") for child in reversed(list(item.values())))

    def unsorted(self, node: Node) -> Iterator[Finding]:
        """``sort-sets``: an array built from a set has an order that the engines need not share."""
        for stmt in self.stmts:
            some = stmt["literal"].get("SomeIn")
            source = some["collection"] if some else None
            if source is None and (expr := stmt["literal"].get("Expr")) and (a := expr["expr"].get("AssignExpr")):
                source = a["rhs"]["RefBrack"]["refr"] if kind_of(a["rhs"]) == "RefBrack" else None
            if source is not None and self._is_set(source):
                yield finding(
                    self.module,
                    at(node),
                    "sort-sets",
                    "this array is made from a set, whose order is not part of the language",
                    "Wrap it: `sort([…])`",
                )

    def _is_set(self, node: Node) -> bool:
        if kind_of(node) in ("Set", "SetCompr"):
            return True
        found, rest = self.program.rule(self.module, node)
        return bool(found) and not rest and any(rule.kind == "set" for rule in found)

    def _negation(self, node: Node, place: At) -> Iterator[Finding]:
        """``negation``: OPA takes an undefined operand out of the ``not``, regorus leaves it in."""
        kind = kind_of(node)
        if kind == "Var":
            return
        if kind == "BoolExpr" and node["BoolExpr"]["op"] == "Eq":
            # both engines compare two references, defined or not, the same way
            operands = [n for n in (node["BoolExpr"]["lhs"], node["BoolExpr"]["rhs"]) if not self._plain(n)]
        elif kind in ("RefDot", "RefBrack"):
            operands = [] if self._plain(node) else [node]
        elif kind in ("BoolExpr", "Membership", "Call", "ArithExpr", "BinExpr"):
            operands = _operands(node)
        else:
            operands = [node]
        for operand in operands:
            if not self._defined(operand):
                yield finding(
                    self.module,
                    place,
                    "negation",
                    "an operand of this `not` may be undefined: OPA would then skip the rule, the embedded engine not",
                    "Bind the operand in the line before (`v := …; not f(v)`), or negate a helper rule",
                )
                return

    def _plain(self, node: Node) -> bool:
        """A reference without anything to compute in it."""
        kind = kind_of(node)
        if kind == "RefDot":
            return self._plain(node["RefDot"]["refr"])
        if kind == "RefBrack":
            index = node["RefBrack"]["index"]
            bound = kind_of(index) in _CONSTANTS or (kind_of(index) == "Var" and index["Var"]["value"] in self.env)
            return self._plain(node["RefBrack"]["refr"]) and (bound or self._defined(index))
        return kind in ("Var", *_CONSTANTS)

    def _defined(self, node: Node) -> bool:
        kind = kind_of(node)
        if kind in _CONSTANTS or kind in _COMPREHENSIONS:
            return True
        if kind in ("Array", "Set"):
            return all(map(self._defined, node[kind]["items"]))
        if kind == "Object":
            return all(self._defined(part) for _, k, v in node["Object"]["fields"] for part in (k, v))
        if kind in ("ArithExpr", "BinExpr", "BoolExpr", "Membership"):
            return all(map(self._defined, _operands(node)))
        if kind == "Call":
            name = ".".join(constant_path(node["Call"]["fcn"]) or ())
            total = name in PORTABLE and self.program.function(self.module, node["Call"]["fcn"]) is None
            return total and name not in _PARTIAL_RESULTS and all(map(self._defined, node["Call"]["params"]))
        if kind in ("Var", "RefDot", "RefBrack"):
            root = constant_path(node)
            name = root[0] if root else ""
            if name and name not in self.env and name != "input":
                return self.program.always(self.module, node)
            return shape_of(node, self.env)[1]
        return False

    def _known(self, node: Node) -> Iterator[Finding]:
        """``known``: the value of a `{known, value}` is 0 or false while it is not known."""
        ref = node.get("RefDot")
        if ref is None or ref["field"][1] != "value":
            return
        shape, _ = shape_of(ref["refr"], self.env)
        if shape in MAYBE and f"{_text(ref['refr'])}.known" not in self.guards:
            subject = _text(ref["refr"])
            yield finding(
                self.module,
                at(node),
                "known",
                f"{subject}.value is 0 or false while it is not known",
                f"Put `{subject}.known` into the same body, before it is used",
            )

    def _scalar(self, node: Node) -> Iterator[Finding]:
        """``iterate``: `some .. in` over what is no collection is an error in regorus, nothing in OPA."""
        shape, _ = shape_of(node, self.env)
        text = _text(node)
        scalar = shape in (str, int, float, bool)
        if scalar or (shape is RAW and not any(f"{name}({text})" in self.guards for name in _RAW_SAFE)):
            yield finding(
                self.module,
                at(node),
                "iterate",
                f"{text} may be no collection: the embedded engine fails on that, OPA skips it",
                f"Put `is_array({text})` (or is_object) before it",
            )


def _operands(node: Node) -> list[Node]:
    inner = node[kind_of(node)]
    if kind_of(node) == "Call":
        return list(inner["params"])
    if kind_of(node) == "Membership":
        return [n for n in (inner["key"], inner["value"], inner["collection"]) if n is not None]
    return [inner["lhs"], inner["rhs"]]


def _guard(stmt: Node) -> str:
    """``x.known`` or ``is_array(x)`` as text, where a statement is just that."""
    expr = stmt["literal"].get("Expr")
    return _text(expr["expr"]) if expr else ""


def _text(node: Any) -> str:
    """A reference or simple call as it would be written; ``?`` for parts that are neither."""
    kind = kind_of(node)
    if kind == "Var":
        return str(node["Var"]["value"])
    if kind == "RefDot":
        return f"{_text(node['RefDot']['refr'])}.{node['RefDot']['field'][1]}"
    if kind == "RefBrack":
        index = node["RefBrack"]["index"]
        shown = f'"{index["String"]["value"]}"' if kind_of(index) == "String" else _text(index)
        return f"{_text(node['RefBrack']['refr'])}[{shown}]"
    if kind == "Call":
        return f"{_text(node['Call']['fcn'])}({', '.join(map(_text, node['Call']['params']))})"
    if kind == "Number":
        return str(node["Number"]["value"])
    return "?"
