"""Approvals that outlive the process: asked now, decided later, used once.

`Approvals` says what may happen to one, `Store` keeps them beside the record.
"""

from __future__ import annotations

from hitl_opa.approvals.approval import CATEGORIES, KINDS, Approval, Edit, Person, Query, Vote
from hitl_opa.approvals.states import LIVE, MOVES, State, may_move
from hitl_opa.approvals.terms import Step, Terms

__all__ = [
    "CATEGORIES",
    "KINDS",
    "LIVE",
    "MOVES",
    "Approval",
    "Edit",
    "Person",
    "Query",
    "State",
    "Step",
    "Terms",
    "Vote",
    "may_move",
]
