"""The states of an approval and the moves between them: the whole machine, and nothing else."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where an approval stands."""

    PENDING = "pending"  # waits for reviewers
    APPROVED = "approved"  # may be used once, until it lapses
    DENIED = "denied"
    EXPIRED = "expired"  # nobody decided in time
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"  # policy became stricter than what was approved
    LAPSED = "lapsed"  # approved, and not used in time
    EXECUTING = "executing"  # used: the call may be running, or its process died and nobody knows
    EXECUTED = "executed"
    FAILED = "failed"  # it ran and failed, or was let through and did not run
    UNKNOWN = "unknown"  # used, and somebody has established that its outcome was never recorded


MOVES: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.APPROVED, State.DENIED, State.EXPIRED, State.CANCELLED, State.SUPERSEDED}),
    # superseded and cancelled from here too: what was approved and not used can still be taken back
    State.APPROVED: frozenset({State.EXECUTING, State.LAPSED, State.SUPERSEDED, State.CANCELLED}),
    State.EXECUTING: frozenset({State.EXECUTED, State.FAILED, State.UNKNOWN}),
    State.UNKNOWN: frozenset({State.EXECUTED, State.FAILED}),
}

LIVE = frozenset({State.PENDING, State.APPROVED})
"""States in which a call that is issued again finds this approval."""


def may_move(old: State, new: State) -> bool:
    """Whether the machine has this move; states without moves are final."""
    return new in MOVES.get(old, frozenset())
