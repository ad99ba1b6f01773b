"""Policy as approvals ask it: whose word counts, and what it says of an input that a person changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.engines import VOTE
from hitl_opa.errors import EngineError
from hitl_opa.guard.case import Case
from hitl_opa.guard.durable import binding
from hitl_opa.model import Ballot, Document, Judgement, Redecided, Session, ToolCall

if TYPE_CHECKING:
    from hitl_opa.guard.guard import Guard

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Judgement)


class GuardReferee:
    """The policies of a guard, which ``guard`` returns; it is called when policy is needed first."""

    def __init__(self, guard: Callable[[], Guard]) -> None:
        self._open = guard
        self._guard: Guard | None = None

    def judge(self, ballot: Ballot) -> Judgement:
        """See `hitl_opa.model.Referee`. Raises EngineError."""
        raw = self._policy().engine.evaluate_sync(_encoder.encode(ballot), VOTE)
        try:
            return _decoder.decode(raw)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise EngineError(f"the judgement has not the shape of one: {error}") from None

    def redecide(self, document: Document, input: dict[str, Any], *, canary: bool = False) -> Redecided:
        """See `hitl_opa.model.Referee`. The decision is on the record, and a failure to decide is a deny."""
        guard = self._policy()
        call = msgspec.structs.replace(call_of(document), input=input)
        case = Case(guard, call, document.agent.level, document, canary=canary)
        ruling = guard.rule_case(case)
        return Redecided(id=ruling.id, document=ruling.document, decision=ruling.decision, digest=binding(ruling))

    def _policy(self) -> Guard:
        if self._guard is None:
            self._guard = self._open()
        return self._guard


def call_of(document: Document) -> ToolCall:
    """The call that an input document was made of, as far as it is in there."""
    call, agent, context, claims = document.call, document.agent, document.context, document.call.mcp.claims
    hints = {
        "readOnlyHint": claims.read_only,
        "destructiveHint": claims.destructive,
        "idempotentHint": claims.idempotent,
        "openWorldHint": claims.open_world,
    }
    return ToolCall(
        tool=call.tool,
        input=call.input,
        id=call.id,
        cwd=context.cwd,
        workspace=context.workspace,
        home=context.home,
        annotations={name: flag.value for name, flag in hints.items() if flag.known},
        confidence=agent.confidence.value if agent.confidence.known else None,
        confidence_verified=agent.confidence.verified,
        claimed_risk=call.claimed_risk,
        session=Session(
            id=agent.session,
            agent_id=agent.id,
            agent_type=agent.type,
            principal=agent.principal,
            permission_mode=agent.mode,
            unattended=agent.unattended,
        ),
    )
