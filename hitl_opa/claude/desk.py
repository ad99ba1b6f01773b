"""Settling one call: the user's hooks, policy, the human, and a question's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.claude.calls import PLAN, Place, agent_words, read_call, ruled
from hitl_opa.claude.confidence import REPORT, Confidences
from hitl_opa.claude.own_hooks import Heard, OwnHooks
from hitl_opa.claude.servers import Servers
from hitl_opa.claude.settled import Settled
from hitl_opa.claude.waiting import waited
from hitl_opa.model import Obligation, Reason, Risk, ToolCall, Verdict

if TYPE_CHECKING:
    from hitl_opa.guard import Guard
    from hitl_opa.guard.ruling import Outcome, Ruling
    from hitl_opa.model import Reviewer

QUESTION = "AskUserQuestion"


class Desk:
    """Settles calls for `Gate`. Raises CallRefused for what is no call; the gate turns that into a deny.

    ``wait``: seconds that a call may wait for somebody to decide on its approval; ``pause``: whether one that
    goes on waiting ends the turn of the main agent (a subagent's would end without a word to the one that
    started it). ``questions``: whether the model's own questions are answered here, and not by whoever sits
    at the CLI.
    """

    def __init__(
        self,
        guard: Guard,
        reviewer: Reviewer | None,
        place: Place,
        own: OwnHooks,
        confidences: Confidences,
        servers: Servers,
        *,
        reports: bool,
        strict: bool,
        wait: float = 0.0,
        pause: bool = False,
        questions: bool = True,
    ) -> None:
        self._guard = guard
        self._reviewer = reviewer
        self._place = place
        self._own = own
        self._confidences = confidences
        self._servers = servers
        self._reports = reports
        self._strict = strict
        self._wait = wait
        self._pause = pause
        self._questions = questions

    async def settle(self, hook: dict[str, Any], tool_use_id: str | None, context: Any) -> Settled:
        """What becomes of the call in a PreToolUse hook's input."""
        call = read_call(hook, tool_use_id, self._place)
        heard = await self._own.hear(hook, call.id, context)
        if heard.failures:
            self._guard.note("note", call, own_hooks_failed=heard.failures)
        if heard.denied is not None:
            return self._denied_by_own(call, heard)
        call = msgspec.structs.replace(call, input=ruled(call.tool, heard.input))
        if self._reports and call.tool == REPORT:
            self._guard.note("note", call, confidence=self._confidences.report(call), verified=False)
            if self._strict:  # nobody else can have put a tool in its place
                return self._harmless(call)
        call = await self._confidences.measure(call)
        call = msgspec.structs.replace(call, annotations=await self._servers.claims(call.tool))

        async def decide() -> Outcome:
            ruling = await self._guard.rule(call)
            if heard.asked is not None:
                ruling = _asked(ruling, heard.asked)
            outcome = await self._guard.resolve(ruling, self._reviewer, agent_words(call))
            if call.tool == QUESTION and self._questions:
                return await self._guard.answered(outcome, self._reviewer, agent_words(call))
            return outcome

        outcome = await waited(self._guard, decide, self._wait)
        message = "\n".join(heard.message)
        if not outcome.allowed:
            self._guard.close_call(outcome.ruling, "blocked")
            pause = self._pause and outcome.pending and not call.session.agent_id
            stop = f"Waiting for approval {outcome.pending}." if pause else None
            return msgspec.structs.replace(Settled.of(outcome, message=message), stop=stop)
        settled = Settled.of(outcome, answers=outcome.answers, message=message)
        words = [*heard.context, *([settled.context] if settled.context else [])]
        if call.tool == PLAN and outcome.input != call.input:  # the CLI goes by the file, whatever it is told here
            words.append(f"The plan in the file is not the one that was approved. This one is: {outcome.input['plan']}")
        return msgspec.structs.replace(settled, context="\n".join(words))

    def _denied_by_own(self, call: ToolCall, heard: Heard) -> Settled:
        self._guard.note("note", call, denied_by="the application's own hook", reason=heard.denied)
        return Settled(
            allowed=False,
            tool=call.tool,
            agent=call.session.agent_id,
            session=call.session.id,
            input={},
            why=heard.denied or "",
            message="\n".join(heard.message),
            stop=heard.stop,
        )

    def _harmless(self, call: ToolCall) -> Settled:
        """The guard's own tool does nothing, so there is nothing to decide."""
        return Settled(
            allowed=True,
            tool=call.tool,
            agent=call.session.agent_id,
            session=call.session.id,
            input=call.input,
            why="The guard's own tool.",
        )


def _asked(ruling: Ruling, reason: str) -> Ruling:
    """The ruling with the ask of the application's own hook in it; a deny stays one."""
    decision = ruling.decision
    if decision.verdict is not Verdict.ALLOW:
        return ruling
    risk = max(decision.risk, Risk.MEDIUM, key=list(Risk).index)
    asked = Reason(rule="app.hook", pack="app", verdict=Verdict.ASK, risk=risk, message=reason)
    approval = Obligation(
        id="app.approval", type="approval", properties={"permission": "confirm", "quorum": 1, "approvers": []}
    )
    return msgspec.structs.replace(
        ruling,
        decision=msgspec.structs.replace(
            decision,
            verdict=Verdict.ASK,
            risk=risk,
            reason=reason,
            reasons=[asked, *decision.reasons],
            obligations=[*(o for o in decision.obligations if o.type != "approval"), approval],
        ),
    )
