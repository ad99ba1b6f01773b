from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from hitl_opa.audit import canonical, digest
from hitl_opa.audit.canonical import MAX_DEPTH, canonical_clean, unescaped
from hitl_opa.model import CallFacts, Document, Effect, Facts, Target, Verb

_PLAIN_NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_PLAIN = st.recursive(
    st.none() | st.booleans() | _PLAIN_NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text().filter(lambda key: not key.startswith("$hitl:")), inner),
)
_SURROGATES = st.text(st.characters(codec=None) | st.sampled_from("\ud800\udfff\\\0"))
_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | _SURROGATES
    | st.sampled_from(["$hitl:int", "$hitl:text"]),
    lambda inner: st.lists(inner) | st.dictionaries(_SURROGATES | st.sampled_from(["$hitl:int", "$hitl:key:a"]), inner),
)


@given(_PLAIN)
@example({"\U0001f600": 1, "\ufb33": 2, "\u20ac": 3})  # UTF-16 order is not code point order
@example([0.0, -0.0, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 333333333.33333329, 1e-6, 9007199254740991.0, 1e16])
@example({"value": 0.0, "values": 0.0, "k": {"value": 0.0}, "s": '"value":0.0}', "t": 'value":0.0,', "u": [0.7, 0.05]})
@example({"a": 1e-5, "b": 1e15, "c": 1e16, "d": 1.5e-7, "e": 1.5e300, "f": 123456789012345680.0, "g": -1e22})
@example({"a": ":null", "b": ",1e5", "c": "[12345678901234567890]"})
def test_equals_the_reference_for_all_that_rfc_8785_covers(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


def test_equals_the_reference_for_an_input_document() -> None:
    effect = Effect(verb=Verb.WRITE, target=Target(type="path", value="é\u2028\x7f\0"), traits=["force"])
    document = Document(
        call=CallFacts(id="1", tool="Bash", kind="shell", input={"n": 1.5, "z": None}), facts=Facts(effects=[effect])
    )
    assert canonical(document) == rfc8785.dumps(msgspec.to_builtins(document))


@given(_ANYTHING)
def test_whatever_comes_becomes_json(value: Any) -> None:
    text = canonical(value)
    assert rfc8785.dumps(json.loads(text, parse_int=_javascript)) == text


def _javascript(digits: str) -> int | float:
    return int(digits) if abs(int(digits)) < 2**53 else float(digits)


def _same(a: Any, b: Any) -> bool:
    """Equal as JSON values, where NaN equals itself, 1 equals 1.0, and True does not equal 1."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return (type(a) in (int, float) and type(b) in (int, float) and a == b) or (type(a) is type(b) and bool(a == b))


@given(_ANYTHING, _ANYTHING)
@example("\ud800", "\\ud800")
@example({"$hitl:int": "9007199254740993"}, 2**53 + 1)
@example({"\ud800": 1}, {"$hitl:text:\\ud800": 1})
@example(float("nan"), None)
@example([float("inf")], [float("-inf")])
@example(10**5000, 10**5000 + 1)
def test_different_values_never_share_a_text(a: Any, b: Any) -> None:
    assert (canonical(a) == canonical(b)) == _same(a, b)
    assert (digest(a) == digest(b)) == _same(a, b)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**53, '{"$hitl:int":"9007199254740992"}'),
        (float("nan"), '{"$hitl:float":"NaN"}'),
        (float("-inf"), '{"$hitl:float":"-Infinity"}'),
        ("a\ud800\\", '{"$hitl:text":"a\\\\ud800\\\\\\\\"}'),
        ({"\udfff": 1}, '{"$hitl:text:\\\\udfff":1}'),
        ({"$hitl:int": 1}, '{"$hitl:key:$hitl:int":1}'),
        ("nul \0", '"nul \\u0000"'),
        ({"$ref": "#/a"}, '{"$ref":"#/a"}'),
    ],
)
def test_how_the_inexpressible_is_marked(value: Any, text: str) -> None:
    assert canonical(value).decode() == text


def _nested(depth: int, bottom: Any) -> Any:
    for _ in range(depth):
        bottom = [bottom]
    return bottom


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 900, 10_000])
def test_deep_values_keep_all_they_hold(depth: int) -> None:
    texts = {canonical(_nested(depth, bottom)) for bottom in (1, 2, "\ud800", {"k": [float("nan")]})}
    assert len(texts) == 4
    assert canonical(_nested(depth, 1)) != canonical(_nested(depth + 1, 1))
    if depth > MAX_DEPTH + 1:
        assert b"$hitl:deep" in canonical([float("nan"), _nested(10_000, 1)])


def test_the_flat_text_of_a_deep_value_is_json() -> None:
    inner = {"b": [1, [], {}], "a": {"x": None, "y": "é"}}
    marked = json.loads(canonical([float("nan"), _nested(MAX_DEPTH - 1, inner)]))[1]
    for _ in range(MAX_DEPTH - 1):
        marked = marked[0]
    assert json.loads(marked["$hitl:deep"]) == inner


def test_cycles_are_cut() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    assert canonical(loop) == b'[1,{"$hitl:cut":"contains itself"}]'


@dataclass
class _Point:
    x: int
    y: Any


class _Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class _Odd:
    def __repr__(self) -> str:
        return "odd\ud800"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: _Point(1, 2), b'{"x":1,"y":2}'),
        (lambda: datetime.date(2026, 1, 2), b'"2026-01-02"'),
        (lambda: {3, 1, 2}, b"[1,2,3]"),
        (lambda: (1, "a"), b'[1,"a"]'),
        (lambda: b"\0\xff", b'"AP8="'),
        (_Odd, b'{"$hitl:repr":"odd\\\\ud800"}'),
        (lambda: {1: "a", None: "b", 0.5: "c"}, b'{"0.5":"c","1":"a","null":"b"}'),
    ],
)
def test_python_values(make: Callable[[], Any], text: bytes) -> None:
    assert canonical(make()) == text


def test_a_hostile_repr_costs_no_record() -> None:
    assert b"_Hostile without a repr" in canonical({"a": _Hostile(), "b": {_Hostile()}, "c": _Point(1, _Hostile())})


@given(st.text(st.characters(codec="utf-8") | st.sampled_from('\\\0\n"nu\x1f\x08')))
@example("\\u0041")
@example("\\\\n\0\\")
def test_an_unescaped_text_holds_each_string_as_it_is(text: str) -> None:
    assert unescaped(canonical([text]).decode()) == f'["{text}"]'


@given(_ANYTHING)
@example(2.0**53)
@example([-1e20, {"k": 1e300, "$hitl:int": 10**30}])
def test_a_decoded_text_is_encoded_to_the_same_text(value: Any) -> None:
    text = canonical(value)
    assert canonical_clean(msgspec.json.decode(text)) == text
