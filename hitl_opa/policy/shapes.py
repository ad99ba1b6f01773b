"""What is known of the values in a rule body: which fields are always there, what may be anything.

Read from `hitl_opa.model`: `Document` says what lies below ``input``. A shape is a model class, a
``list[…]``, a scalar type, or one of two marks: `RAW`, the call's own input, where anything may be
missing or of any type; `UNKNOWN`, a value the linter cannot follow.
"""

from __future__ import annotations

from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from hitl_opa import model
from hitl_opa.policy.syntax import Node, constant_path, kind_of

UNKNOWN = "unknown"
RAW = "raw"
MAYBE = (model.Number, model.Flag, model.Confidence)  # {known, value}

Env = dict[str, Any]


@cache
def _fields(struct: type) -> dict[str, Any]:
    return get_type_hints(struct)


@cache
def field_names() -> frozenset[str]:
    """Every field name in the model: what a value that cannot be followed is still taken to have."""
    structs = [c for c in vars(model).values() if isinstance(c, type) and issubclass(c, msgspec.Struct)]
    return frozenset(name for struct in structs for name in _fields(struct))


def step(shape: Any, name: str | None) -> tuple[Any, bool]:
    """The shape one field or element further, and whether it is always there. ``None``: some element."""
    if shape is RAW or get_origin(shape) is dict:
        return RAW, False
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        hints = _fields(shape)
        return (_shape(hints[name]), True) if name in hints else (UNKNOWN, False)
    if get_origin(shape) is list:
        return (_shape(get_args(shape)[0]), True) if name is None else (UNKNOWN, False)
    return UNKNOWN, shape is UNKNOWN and name in field_names()


def _shape(hint: Any) -> Any:
    return RAW if hint is Any else hint


def shape_of(node: Node, env: Env) -> tuple[Any, bool]:
    """The shape of a reference and whether it is always defined; constants and bound names are."""
    kind = kind_of(node)
    if kind == "Var":
        name = node["Var"]["value"]
        return (model.Document, True) if name == "input" else (env.get(name, UNKNOWN), name in env)
    if kind == "RefDot":
        shape, there = shape_of(node["RefDot"]["refr"], env)
        shape, always = step(shape, node["RefDot"]["field"][1])
        return shape, there and always
    if kind == "RefBrack":
        shape, there = shape_of(node["RefBrack"]["refr"], env)
        index = node["RefBrack"]["index"]
        if kind_of(index) in ("String", "RawString"):
            shape, always = step(shape, index[kind_of(index)]["value"])
            return shape, there and always
        return step(shape, None)[0], False
    return UNKNOWN, kind in ("String", "RawString", "Number", "Bool", "Null")


def environment(stmts: list[Node], outer: Env) -> Env:
    """The names that a body binds, on top of ``outer``, with their shapes."""
    env = dict(outer)
    for _ in range(2):  # a body is not ordered: a name may be used before the line that binds it
        for stmt in stmts:
            literal = stmt["literal"]
            kind = kind_of(literal)
            inner = literal[kind]
            if kind == "SomeIn":
                shape = step(shape_of(inner["collection"], env)[0], None)[0]
                _bind(inner["value"], shape, env)
                if inner["key"] is not None:
                    _bind(inner["key"], UNKNOWN, env)
            elif kind == "SomeVars":
                continue
            elif kind == "Expr" and (assign := inner["expr"].get("AssignExpr")):
                _bind(assign["lhs"], shape_of(assign["rhs"], env)[0], env)
                if assign["op"] == "Eq":
                    _bind(assign["rhs"], shape_of(assign["lhs"], env)[0], env)
            elif kind == "Expr":
                _brackets(inner["expr"], env)
    return env


def _brackets(node: Node, env: Env) -> None:
    """Names that a bare reference binds by iterating: ``input.list[i]``, and ``walk(x, [path, value])``."""
    kind = kind_of(node)
    if kind == "RefBrack":
        _bind(node["RefBrack"]["index"], UNKNOWN, env)
    if kind in ("RefDot", "RefBrack"):
        _brackets(node[kind]["refr"], env)
    if kind == "Call" and constant_path(node["Call"]["fcn"]) == ("walk",) and len(node["Call"]["params"]) == 2:
        _bind(node["Call"]["params"][1], UNKNOWN, env)


def _bind(pattern: Node, shape: Any, env: Env) -> None:
    kind = kind_of(pattern)
    if kind == "Var":
        name = pattern["Var"]["value"]
        if name not in ("_", "input", "data") and env.get(name, UNKNOWN) is UNKNOWN:
            env[name] = shape
    elif kind == "Array":
        for item in pattern["Array"]["items"]:
            _bind(item, UNKNOWN, env)
    elif kind == "Object":
        for _, _, value in pattern["Object"]["fields"]:
            _bind(value, UNKNOWN, env)
