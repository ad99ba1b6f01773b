"""The guard: one call in, one recorded decision out, and deny whenever that cannot be had."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from hitl_opa.audit import AuditLog, Event, Kind, digest
from hitl_opa.config import Config, load_config
from hitl_opa.errors import CallRefused, EngineError, EngineTimeout, EngineUnavailable, HitlError, Undefined
from hitl_opa.facts import Known, read_facts
from hitl_opa.guard import functions, review
from hitl_opa.guard.log import open_log
from hitl_opa.guard.ruling import ActionResult, Outcome, Ruling, refusal
from hitl_opa.guard.sessions import Sessions
from hitl_opa.model import (
    Agent,
    CallFacts,
    Confidence,
    Context,
    Decision,
    Document,
    Engine,
    Facts,
    Policy,
    Reviewer,
    Session,
    ToolCall,
    Verdict,
)

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions

    from hitl_opa.audit import Receipt

F = TypeVar("F", bound=Callable[..., Any])

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Decision)


class Guard:
    """Decides tool calls. `Guard.open` makes one from settings; the constructor takes its parts.

    ``engine`` evaluates the policy, ``audit`` keeps the record, ``reviewer`` is the human who can be
    asked now (None: nobody). ``clock`` returns the time in UTC. A guard may be shared by threads.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        audit: AuditLog,
        config: Config | None = None,
        reviewer: Reviewer | None = None,
        known: Known | None = None,
        clock: Callable[[], datetime] | None = None,
        log: Any = None,
    ) -> None:
        self.config = config or Config()
        self.audit = audit
        self.reviewer = reviewer
        self._engine = engine
        self._known = known or Known()
        self._clock = clock or (lambda: datetime.now(UTC))
        self._log = log or open_log()
        self._sessions = Sessions()
        self._revision = engine.describe().get("revision", "")

    @classmethod
    def open(
        cls, source: str | Path | Config | None = None, *, reviewer: Reviewer | None = None, **overrides: Any
    ) -> Self:
        """A guard from ``hitl.yaml`` (if there is one, else the defaults), from a file, or from a `Config`.

        ``overrides`` are fields of `Config` and win. Raises ConfigError, PolicyError or AuditError:
        a guard that cannot work does not open.
        """
        from hitl_opa.guard.opening import open_parts

        config = source if isinstance(source, Config) else load_config(source, **overrides)
        if isinstance(source, Config) and overrides:
            config = msgspec.structs.replace(source, **overrides)
        engine, audit, known = open_parts(config)
        return cls(engine=engine, audit=audit, config=config, reviewer=reviewer, known=known)

    # --- deciding

    async def decide(self, call: ToolCall) -> Decision:
        """The recorded decision on a call. Never raises for what the call holds: it denies."""
        return (await self.rule(call)).decision

    def decide_sync(self, call: ToolCall) -> Decision:
        """`decide` for a caller without an event loop."""
        return self.rule_sync(call).decision

    async def rule(self, call: ToolCall) -> Ruling:
        """`decide` with what was decided on: the enforcement point's half."""
        case = _Case(self, call)
        if case.decision is None:
            try:
                async with asyncio.timeout(self.config.deadline):
                    case.answer(await self._engine.evaluate(case.body))
            except TimeoutError:
                case.fail(EngineTimeout(f"no decision within {self.config.deadline:g} s"))
            except Exception as error:  # noqa: BLE001 - whatever an engine raises is a deny
                case.fail(error)
        return self._close(case)

    def rule_sync(self, call: ToolCall) -> Ruling:
        """`rule` for a caller without an event loop."""
        case = _Case(self, call)
        if case.decision is None:
            try:
                case.answer(self._engine.evaluate_sync(case.body))
            except Exception as error:  # noqa: BLE001 - as above
                case.fail(error)
        return self._close(case)

    def _close(self, case: _Case) -> Ruling:
        """Record what was decided; a decision that cannot be recorded is a deny."""
        ruling = case.ruling()
        try:
            self._sessions.after(ruling)
            self.audit.append(case.event(ruling))
        except Exception as error:  # noqa: BLE001 - an unrecorded allow must not exist
            ruling = msgspec.structs.replace(ruling, decision=self._unrecorded(ruling.decision, error))
        decision = ruling.decision
        self._log.info(
            "decision",
            id=ruling.id,
            tool=ruling.document.call.tool,
            verdict=str(decision.verdict),
            risk=str(decision.risk),
            rule=decision.reasons[0].rule if decision.reasons else "",
            session=ruling.document.agent.session,
            ms=round(case.elapsed * 1000, 3),
        )
        return ruling

    def _unrecorded(self, decision: Decision, error: Exception) -> Decision:
        self._log.error("record failed", error=str(error))
        if decision.verdict is Verdict.DENY:
            return decision
        return refusal(
            "guard.record-failed",
            f"The decision could not be recorded, so the call is denied: {error}",
            "Make room for the record, or repair it with hitl-opa audit verify.",
            revision=self._revision,
        )

    # --- enforcing

    async def resolve(self, ruling: Ruling, reviewer: Reviewer | None = None, rationale: str = "") -> Outcome:
        """What may happen: allow and deny as they are, an ask as the reviewer answers it.

        An edited call is decided again. Nobody to ask, no answer within ``config.attended`` seconds,
        a reviewer that raises or an obligation that nobody here knows: not allowed.
        """
        return await review.resolve(self, ruling, reviewer or self.reviewer, rationale)

    def record(self, event: Event) -> Receipt:
        """Put something else on the record. Raises AuditError."""
        return self.audit.append(event)

    def close_call(
        self,
        ruling: Ruling,
        status: str,
        *,
        input: dict[str, Any] | None = None,
        error: str = "",
        ms: float = 0.0,
    ) -> bool:
        """Record what became of a call: ``ran``, ``failed`` or ``blocked``. ``input`` is what really ran.

        Returns whether that is what was approved; a difference is logged as an error. Raises AuditError.
        """
        ran = ruling.digest if input is None else call_digest(msgspec.structs.replace(ruling.call, input=input))
        matches = ran == ruling.digest
        if not matches:
            self._log.error("ran another input than was approved", id=ruling.id, tool=ruling.call.tool)
        document = ruling.document
        self.audit.append(
            Event(
                kind=Kind.OUTCOME,
                decision_id=ruling.id,
                call_id=document.call.id,
                tool=document.call.tool,
                session=document.agent.session,
                agent=document.agent.id,
                principal=document.agent.principal,
                outcome=status,
                matches=None if status == "blocked" else matches,
                digest=ran,
                elapsed_ms=ms,
                detail={"error": error, **({} if matches else {"input": input})},
            )
        )
        return matches

    def note(self, kind: str, call: ToolCall, **fields: Any) -> None:
        """Record something seen of a call that is neither decision nor outcome. Raises AuditError."""
        self.audit.append(
            Event(
                kind=Kind(kind),
                call_id=call.id,
                tool=call.tool,
                session=call.session.id,
                agent=call.session.agent_id,
                principal=call.session.principal,
                mode=str(call.session.permission_mode),
                detail=fields,
            )
        )

    # --- hosts

    def protect(self, options: ClaudeAgentOptions, **settings: Any) -> ClaudeAgentOptions:
        """New Claude Agent SDK options whose every tool call passes this guard; see `hitl_opa.claude.protect`."""
        from hitl_opa.claude import protect

        return protect(self, options, **settings)

    def tool(self, function: F) -> F:
        """Decorator: the function runs only as this guard decides, else `hitl_opa.errors.Denied` is raised.

        The tool call has the function's name and its bound arguments. Works on sync and async functions.
        """
        return functions.guarded(self, function)

    async def execute_with_approval(
        self,
        action: Callable[[], Any] | Callable[[], Awaitable[Any]],
        *,
        risk: str = "high",
        timeout: str | float = "24h",
        name: str = "",
        input: dict[str, Any] | None = None,
        reviewer: Reviewer | None = None,
    ) -> ActionResult:
        """Run ``action`` once policy, or the human it asks, allows it: the approval gate.

        ``risk`` is the caller's word; policy may find more. ``timeout``: seconds, or ``"30m"``, ``"24h"``, ``"2d"``.
        ``name`` and ``input`` describe the action to policy and reviewer (default: the callable's name
        and, for a ``functools.partial``, its arguments).
        """
        return await functions.execute_with_approval(self, action, risk, timeout, name, input, reviewer)

    async def close(self) -> None:
        """Close engine and record."""
        await self._engine.close()
        self.audit.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


class _Case:
    """One call on its way to a decision."""

    def __init__(self, guard: Guard, call: ToolCall) -> None:
        self.started = time.perf_counter()
        self.guard = guard
        self.id = str(uuid.uuid4())
        self.call = call
        self.decision: Decision | None = None
        self.body = b""
        self.facts_ns = 0
        self.elapsed = 0.0
        self.error = ""
        self.digest = ""
        try:
            self.call = _placed(call)
            self.digest = call_digest(self.call)
            self.document = self._document()
            self.body = _encoder.encode(self.document)
        except Exception as error:  # noqa: BLE001 - a call that cannot be read is a deny
            self.document = _blank(self.call, guard.config)
            self.fail(error)
        self.facts_ns = int((time.perf_counter() - self.started) * 1e9)

    def _document(self) -> Document:
        guard, call, config = self.guard, self.call, self.guard.config
        about, facts = read_facts(call, guard._known)
        counters, taint = guard._sessions.before(call.session.id, self.digest)
        return Document(
            call=about,
            facts=facts,
            agent=_agent(call, config),
            context=Context(
                environment=config.environment,
                cwd=call.cwd,
                workspace=call.workspace,
                home=call.home,
                time=guard._clock().isoformat().replace("+00:00", "Z"),
                counters=counters,
                taint=taint,
            ),
        )

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
        self.decision = msgspec.structs.replace(decision, policy=Policy(revision=self.guard._revision))

    def fail(self, error: Exception) -> None:
        """Deny for this error."""
        rule, message, remedy = _explain(error)
        self.error = f"{type(error).__name__}: {error}"
        self.decision = refusal(rule, message, remedy, revision=self.guard._revision)

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


def _placed(call: ToolCall) -> ToolCall:
    """The call with absolute cwd, workspace and home."""
    cwd = str(Path(call.cwd or ".").absolute()) if not call.cwd.startswith("/") else call.cwd
    return msgspec.structs.replace(
        call,
        cwd=cwd,
        workspace=str(Path(cwd, call.workspace)) if call.workspace else cwd,
        home=call.home or str(Path.home()),
    )


def _agent(call: ToolCall, config: Config) -> Agent:
    session = call.session
    return Agent(
        session=session.id,
        id=session.agent_id,
        type=session.agent_type,
        principal=session.principal,
        level=config.level,
        mode=session.permission_mode,
        confidence=_confidence(call),
        unattended=session.unattended,
    )


def _confidence(call: ToolCall) -> Confidence:
    """A number outside 0-1 is no confidence at all: it counts as none, not as unknown."""
    value = call.confidence
    if value is None:
        return Confidence()
    good = isinstance(value, (int, float)) and math.isfinite(value) and 0 <= value <= 1
    return Confidence(known=True, value=float(value) if good else 0.0, verified=call.confidence_verified)


def _blank(call: ToolCall, config: Config) -> Document:
    """The document of a call that could not be read, for the record."""
    return Document(
        call=CallFacts(id=str(call.id), tool=str(call.tool), kind="unknown", input={}),
        facts=Facts(),
        agent=_agent(msgspec.structs.replace(call, session=call.session or Session()), config),
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
