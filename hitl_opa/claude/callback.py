"""An existing ``can_use_tool`` callback as a reviewer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from hitl_opa.model import Answer, Choice, Question, ReviewRequest

if TYPE_CHECKING:
    from claude_agent_sdk import CanUseTool


class CallbackReviewer:
    """Puts asks to a ``can_use_tool`` callback behind which a human sits, called ``name`` in the record.

    Only what policy asks about reaches the callback. Its ``updated_input`` is an edit, which policy
    decides again; its ``updated_permissions`` are dropped, as no rule outlives the guard's decision.
    A callback that allows without asking anybody approves whatever policy asks: do not pass one.
    """

    def __init__(self, can_use_tool: CanUseTool, *, name: str, groups: Iterable[str] = ()) -> None:
        self._ask = can_use_tool
        self._name = name
        self._groups = frozenset(groups)

    @property
    def name(self) -> str:
        return self._name

    @property
    def groups(self) -> frozenset[str]:
        return self._groups

    async def review(self, request: ReviewRequest) -> Answer:
        from claude_agent_sdk import PermissionResultAllow, PermissionResultDeny, ToolPermissionContext

        call = request.call
        context = ToolPermissionContext(
            tool_use_id=call.id, agent_id=call.session.agent_id or None, decision_reason=request.decision.reason
        )
        result = await self._ask(call.tool, dict(call.input), context)
        if isinstance(result, PermissionResultAllow):
            if result.updated_input is None or result.updated_input == call.input:
                return Answer(choice=Choice.APPROVE)
            return Answer(choice=Choice.EDIT, input=result.updated_input)
        if isinstance(result, PermissionResultDeny):
            return Answer(choice=Choice.REJECT, reason=result.message)
        raise TypeError(f"can_use_tool returned {type(result).__name__}")

    async def answer(self, questions: list[Question]) -> dict[str, str]:
        from claude_agent_sdk import PermissionResultAllow, ToolPermissionContext

        input = {"questions": msgspec.to_builtins(questions)}
        result = await self._ask("AskUserQuestion", input, ToolPermissionContext())
        if not isinstance(result, PermissionResultAllow):
            raise PermissionError("the questions were declined")
        return msgspec.convert((result.updated_input or {}).get("answers", {}), dict[str, str])
