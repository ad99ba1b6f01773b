from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hitl_opa.audit.spans import Spans

NUMBERS = st.lists(st.integers(0, 40))
PAIRS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)))


def numbers(spans: object) -> list[int]:
    return [n for first, last in spans for n in range(first, last + 1)]  # type: ignore[attr-defined]


@given(NUMBERS, PAIRS)
def test_it_is_a_set(single: list[int], pairs: list[tuple[int, int]]) -> None:
    spans = Spans(pairs)
    for number in single:
        spans.add(number)
    expected = sorted({*single, *numbers(pairs)})
    assert numbers(spans) == expected
    assert len(spans) == len(expected)
    found = list(spans)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(found))


@given(PAIRS, PAIRS)
def test_without(ours: list[tuple[int, int]], theirs: list[tuple[int, int]]) -> None:
    assert numbers(Spans(ours).without(Spans(theirs))) == sorted(set(numbers(ours)) - set(numbers(theirs)))
