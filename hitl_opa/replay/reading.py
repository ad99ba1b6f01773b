"""Calls of which only the call is known: their facts are read now, on this machine."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hitl_opa.audit import AuditLog
from hitl_opa.config import Config
from hitl_opa.errors import EngineError
from hitl_opa.guard import Guard
from hitl_opa.guard.case import Case
from hitl_opa.guard.opening import known
from hitl_opa.model import Decision, Risk, ToolCall, Verdict
from hitl_opa.replay.recorded import Recorded, Said, read_decision


class Reading:
    """Makes an input document of each call, in the order in which the calls were made.

    ``config`` says what is known of this machine and the autonomy level; ``base`` evaluates a document for the
    decision to compare with (None: there is none). That the calls were made says that they ran: what a policy would
    have denied is not counted against the calls after it.
    """

    def __init__(self, config: Config, base: Callable[[bytes], bytes] | None = None) -> None:
        self._base = base
        audit = AuditLog.open(":memory:")
        self._guard = Guard(engine=_Unasked(), audit=audit, config=config, known=known(config))
        self.count = 0

    def __call__(self, call: ToolCall) -> Recorded:
        self.count += 1
        case = Case(self._guard, call, None)
        about = Recorded(id=call.id, session=call.session.id, agent=_agent(call), tool=call.tool)
        if case.decision is not None:
            return msgspec.structs.replace(about, why_not=f"its facts cannot be read: {case.error}")
        ran = Decision(verdict=Verdict.ALLOW, risk=Risk.LOW, reason="", reasons=[])
        self._guard.sessions.after(msgspec.structs.replace(case.ruling(), decision=ran))
        return msgspec.structs.replace(about, document=case.body, said=self._said(case.body))

    def _said(self, document: bytes) -> Said | None:
        if self._base is None:
            return None
        try:
            return read_decision(self._base(document))
        except EngineError as error:
            return Said(verdict="deny", risk="critical", rules=(f"engine: {error}",))


class _Unasked:
    """The guard is only there to read calls: its engine is asked nothing."""

    async def evaluate(self, document: bytes, entrypoint: str = "") -> bytes:
        return self.evaluate_sync(document, entrypoint)

    def evaluate_sync(self, document: bytes, entrypoint: str = "") -> bytes:
        raise EngineError("there is no policy here")

    def describe(self) -> dict[str, str]:
        return {}

    async def close(self) -> None:
        """Nothing to close."""

    def close_sync(self) -> None:
        """Nothing to close."""


def _agent(call: ToolCall) -> str:
    return call.session.agent_id or call.session.agent_type
