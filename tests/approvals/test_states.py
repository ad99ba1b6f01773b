"""The machine: every path through it is one of the design's, and the store takes no other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl_opa.approvals import LIVE, MOVES, State, may_move

START = State.PENDING


@given(st.lists(st.sampled_from(State), max_size=12))
@settings(max_examples=500)
def test_whatever_is_tried_a_call_is_let_through_once_and_only_after_approval(tried: list[State]) -> None:
    state, path = START, [START]
    for wanted in tried:
        if may_move(state, wanted):
            state = wanted
            path.append(state)
    assert path.count(State.EXECUTING) <= 1
    assert len(path) == len(set(path))  # no state is come back to
    if State.EXECUTING in path:
        assert path[path.index(State.EXECUTING) - 1] is State.APPROVED
    if {State.EXECUTED, State.FAILED} & set(path):
        assert State.EXECUTING in path
    assert sum(s in MOVES for s in path) >= len(path) - 1  # only the last may be final


@pytest.mark.parametrize("state", State)
def test_every_state_is_reached_and_leaves_only_forward(state: State) -> None:
    assert state is START or any(state in reached for reached in MOVES.values())
    assert START not in MOVES.get(state, frozenset())
    assert not may_move(state, state)


def test_what_is_refused_is_refused_for_good() -> None:
    final = {State.DENIED, State.EXPIRED, State.CANCELLED, State.SUPERSEDED, State.LAPSED, State.EXECUTED, State.FAILED}
    assert {s for s in State if s not in MOVES} == final
    assert not LIVE & final
