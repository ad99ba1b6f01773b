"""One call on its way to a decision: placed, read, judged, or denied for what went wrong."""

from __future__ import annotations

import math
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hitl_opa.audit import UNNAMED, Event, digest
from hitl_opa.errors import CallRefused, EngineError, EngineTimeout, EngineUnavailable, HitlError, Undefined
from hitl_opa.facts import read_facts
from hitl_opa.guard.grants import scope_of
from hitl_opa.guard.ruling import Ruling, refusal
from hitl_opa.model import (
    Agent,
    ApprovalFact,
    CallFacts,
    Confidence,
    Context,
    Decision,
    Document,
    Earned,
    Facts,
    Policy,
    Session,
    ToolCall,
    Verdict,
)

if TYPE_CHECKING:
    from hitl_opa.approvals.grant import Grant
    from hitl_opa.guard.guard import Guard

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Decision)


class Case:
    """One call on its way to a decision. ``past``: the document of the same call with another input, whose
    circumstances (what the session had done and seen) are taken over. ``canary``: it was planted."""

    def __init__(
        self, guard: Guard, call: ToolCall, level: int | None, past: Document | None = None, *, canary: bool = False
    ) -> None:
        self.started = time.perf_counter()
        self.guard = guard
        self.id = new_id()
        self.call = call
        self.decision: Decision | None = None
        self.body = b""
        self.facts_ns = 0
        self.elapsed = 0.0
        self.error = ""
        self.digest = ""
        self._past = past
        self._canary = canary
        self._scope = ""
        self.level = guard.config.level if level is None else level
        try:
            self.call = _placed(call)
            self.digest = call_digest(self.call)
            self.document = self._document()
            self.body = _encoder.encode(self.document)
        except Exception as error:  # noqa: BLE001 - a call that cannot be read is a deny
            self.document = _blank(self.call, self.level)
            self.fail(error)
        self.facts_ns = int((time.perf_counter() - self.started) * 1e9)

    def _document(self) -> Document:
        guard, call, config = self.guard, self.call, self.guard.config
        about, facts = read_facts(call, guard.known)
        now = guard.clock()
        if self._past is None:
            counters, taint = guard.sessions.before(call.session.id, self.digest)
        else:
            counters, taint = self._past.context.counters, self._past.context.taint
        return Document(
            call=about,
            facts=facts,
            agent=self._agent(call),
            context=Context(
                environment=config.environment,
                cwd=call.cwd,
                workspace=call.workspace,
                home=call.home,
                time=now.isoformat().replace("+00:00", "Z"),
                durable=guard.approvals is not None or self._past is not None,
                draw=int(self.id[:8], 16) / 2**32,
                counters=counters,
                taint=taint,
            ),
            approval=ApprovalFact(),
        )

    def _agent(self, call: ToolCall) -> Agent:
        """Who asks, with what its tool has earned. Raises where that cannot be looked up: then nothing is allowed."""
        guard = self.guard
        if guard.standings is None:
            return _agent(call, self.level)
        name = guard.config.agent or call.session.principal or UNNAMED
        levels, frozen = guard.standings.levels(name, guard.config.agent_version, call.tool)
        earned = [Earned(risk=risk, level=level) for risk, level in sorted(levels.items())]
        kept = earned if guard.config.autonomy.earn else []
        return msgspec.structs.replace(_agent(call, self.level), earned=kept, frozen=frozen)

    def answer(self, raw: bytes) -> None:
        """Take the engine's answer, or refuse it."""
        try:
            decision = _decoder.decode(raw)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise EngineError(f"the decision has not the shape of one: {error}") from None
        if decision.verdict is not Verdict.DENY and any(r.verdict is Verdict.DENY for r in decision.reasons):
            raise EngineError("the decision does not deny what one of its reasons denies")
        if not decision.reasons:
            raise EngineError("the decision has no reasons")
        self.decision = msgspec.structs.replace(decision, policy=Policy(revision=self.guard.revision))

    def grants(self) -> list[Grant]:
        """Standing grants that might let pass what policy did not let pass alone."""
        if self._past is not None or self.error or self.decision is None or self.decision.verdict is Verdict.ALLOW:
            return []
        session = self.call.session
        self._scope = scope_of(self.call, self.document.facts)
        now = self.guard.clock().timestamp()
        return self.guard.grants.candidates(session.principal, session.id, self._scope, now)

    def carrying(self, grant: Grant) -> bytes:
        """The document of the call that carries this grant, for the engine."""
        approval = ApprovalFact(grant=grant.fact(self._scope))
        return _encoder.encode(msgspec.structs.replace(self.document, approval=approval))

    def granted(self, grant: Grant, raw: bytes) -> bool:
        """Whether policy lets the call pass that carries the grant, and there is a use left of it."""
        alone = self.decision
        self.answer(raw)
        now = self.guard.clock().timestamp()
        if (
            self.decision is not None
            and self.decision.verdict is Verdict.ALLOW
            and self.guard.grants.use(grant.id, now)
        ):
            approval = ApprovalFact(grant=grant.fact(self._scope))
            self.document = msgspec.structs.replace(self.document, approval=approval)
            return True
        self.decision = alone
        return False

    def fail(self, error: Exception) -> None:
        """Deny for this error."""
        rule, message, remedy = _explain(error)
        self.error = f"{type(error).__name__}: {error}"
        self.decision = refusal(rule, message, remedy, revision=self.guard.revision)

    def ruling(self) -> Ruling:
        self.elapsed = time.perf_counter() - self.started
        if self.elapsed > self.guard.config.deadline and self.decision and self.decision.verdict is not Verdict.DENY:
            self.fail(EngineTimeout(f"the decision took {self.elapsed:.1f} s, over {self.guard.config.deadline:g} s"))
        decision = self.decision or refusal("guard.error", "There is no decision on this call.")
        return Ruling(id=self.id, call=self.call, document=self.document, decision=decision, digest=self.digest)

    def event(self, ruling: Ruling) -> Event:
        return Event.decision(
            ruling.document,
            ruling.decision,
            decision_id=self.id,
            decided_by="guard" if self.error else "policy",
            digest=self.digest,
            elapsed_ms=round(self.elapsed * 1000, 3),
            metrics={"timer_facts_ns": self.facts_ns, "timer_decision_ns": int(self.elapsed * 1e9)},
            detail={"error": self.error} if self.error else None,
            extra={"canary": True} if self._canary else None,
        )


def call_digest(call: ToolCall) -> str:
    """``sha256:…`` of what an approval of this call binds to."""
    session = call.session
    return digest(
        {
            "tool": call.tool,
            "input": call.input,
            "cwd": call.cwd,
            "principal": session.principal,
            "agent": session.agent_id,
            "session": session.id,
        }
    )


def new_id() -> str:
    """A random UUID (version 4), in a fifth of the time that ``uuid`` takes."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"


def _placed(call: ToolCall) -> ToolCall:
    """The call with absolute cwd, workspace and home."""
    cwd = str(Path(call.cwd or ".").absolute()) if not call.cwd.startswith("/") else call.cwd
    workspace = _below(cwd, call.workspace) if call.workspace else cwd
    home = call.home or str(Path.home())
    if cwd == call.cwd and workspace == call.workspace and home == call.home:
        return call
    return msgspec.structs.replace(call, cwd=cwd, workspace=workspace, home=home)


@lru_cache(maxsize=64)
def _below(cwd: str, path: str) -> str:
    return str(Path(cwd, path))


def _agent(call: ToolCall, level: int) -> Agent:
    session = call.session
    return Agent(
        session=session.id,
        id=session.agent_id,
        type=session.agent_type,
        principal=session.principal,
        level=level,
        mode=session.permission_mode,
        confidence=_confidence(call),
        unattended=session.unattended,
    )


def _confidence(call: ToolCall) -> Confidence:
    """What is no number from 0 to 1 is -1: below every threshold, and told from a confidence of 0."""
    value = call.confidence
    if value is None:
        return Confidence()
    good = isinstance(value, (int, float)) and math.isfinite(value) and 0 <= value <= 1
    return Confidence(known=True, value=float(value) if good else -1.0, verified=call.confidence_verified)


def _blank(call: ToolCall, level: int) -> Document:
    """The document of a call that could not be read, for the record."""
    return Document(
        call=CallFacts(id=str(call.id), tool=str(call.tool), kind="unknown", input={}),
        facts=Facts(),
        agent=_agent(msgspec.structs.replace(call, session=call.session or Session()), level),
    )


def _explain(error: Exception) -> tuple[str, str, str]:
    """Rule, message and remedy for what kept a call from being decided."""
    match error:
        case CallRefused():
            return "guard.call-refused", f"This call cannot be understood: {error}", "Make the call smaller or simpler."
        case EngineTimeout():
            return "guard.deadline", f"The policy did not decide in time: {error}", "Try again, or raise `deadline`."
        case Undefined():
            return "guard.undefined", f"The policy left the decision undefined: {error}", "Run hitl-opa policy test."
        case EngineUnavailable():
            return "guard.engine-unavailable", f"The policy engine cannot be reached: {error}", "Run hitl-opa doctor."
        case EngineError():
            return "guard.engine-error", f"The policy engine failed: {error}", "Run hitl-opa policy test."
        case HitlError():
            return "guard.error", str(error), ""
        case _:
            return "guard.error", f"The guard failed: {type(error).__name__}: {error}", "Report this as a bug."
