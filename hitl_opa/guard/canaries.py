"""Planted requests: what people have to reject, asked among what agents ask, to see whether they do."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import TYPE_CHECKING

import msgspec

from hitl_opa.config import Canaries, Canary
from hitl_opa.errors import ConfigError
from hitl_opa.guard.case import Case
from hitl_opa.guard.referee import call_of
from hitl_opa.model import Document, Session, ToolCall, Verdict

if TYPE_CHECKING:
    from hitl_opa.approvals.approval import Approval
    from hitl_opa.approvals.approvals import Approvals
    from hitl_opa.approvals.store import Transaction
    from hitl_opa.guard.guard import Guard


class Planter:
    """Plants one of the settings' requests for about every so many that agents ask.

    It is told as if whoever asked last had asked it, in a session of its own. ``guard`` says what policy makes of it.
    """

    def __init__(self, guard: Guard, approvals: Approvals, settings: Canaries) -> None:
        self._guard = guard
        self._approvals = approvals
        self._settings = settings

    def once(self) -> Approval | None:
        """Plant one if it is time. Raises ConfigError for one that policy does not ask people about."""
        with self._approvals.store.look() as transaction:
            like = self._due(transaction)
        if like is None:
            return None
        planted = secrets.choice(self._settings.calls)
        case = Case(self._guard, _as_if(planted, msgspec.convert(like.document, Document)), None)
        if case.decision is None:
            case.answer(self._guard.engine.evaluate_sync(case.body))
        decision = case.ruling().decision
        if decision.verdict is not Verdict.ASK or case.document.call.kind in ("question", "plan"):
            what = f"{planted.tool} {msgspec.json.encode(planted.input).decode()}"
            raise ConfigError(
                f"canaries: policy answers {decision.verdict} to {what} ({decision.reason}): only a call that people "
                "are asked about can be planted"
            )
        return self._approvals.plant(
            case.document, decision, case.id, planted.why, lambda transaction: self._due(transaction) is not None
        )

    def _due(self, transaction: Transaction) -> Approval | None:
        """The last request, where enough were made since one was planted."""
        last = transaction.planted()
        # between half and one and a half times as many: nobody counts along, and all workers agree
        draw = hashlib.sha256((last.digest if last else "").encode()).digest()[0] / 256
        count, like = transaction.asked(last.requested_at if last else 0.0)
        return like if count >= max(1.0, self._settings.every * (0.5 + draw)) else None


def _as_if(planted: Canary, like: Document) -> ToolCall:
    asked = call_of(like)
    session = Session(
        id=str(uuid.uuid4()), principal=asked.session.principal, permission_mode=asked.session.permission_mode
    )
    return ToolCall(
        id=f"toolu_{secrets.token_hex(12)}",
        tool=planted.tool,
        input=planted.input,
        cwd=asked.cwd,
        workspace=asked.workspace,
        home=asked.home,
        session=session,
    )
