"""Approvals that outlive the process: asked now, decided later, used once.

`Approvals` says what may happen to one, `Store` keeps them beside the record.
"""

from __future__ import annotations

from hitl_opa.approvals.approval import Approval, Terms, Vote
from hitl_opa.approvals.states import LIVE, MOVES, State, may_move

__all__ = ["LIVE", "MOVES", "Approval", "State", "Terms", "Vote", "may_move"]
