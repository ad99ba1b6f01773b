"""The guard: one call in, one recorded decision out, and deny whenever that cannot be had."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.config import Config, load_config
from hitl_opa.errors import EngineTimeout
from hitl_opa.facts import Known
from hitl_opa.guard.case import Case, call_digest
from hitl_opa.guard.grants import Grants
from hitl_opa.guard.log import open_log
from hitl_opa.guard.ruling import ActionResult, Outcome, Ruling, refusal
from hitl_opa.guard.sessions import Sessions
from hitl_opa.model import Decision, Engine, Reviewer, ToolCall, Verdict

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions

    from hitl_opa.approvals.approval import Approval
    from hitl_opa.approvals.approvals import Approvals
    from hitl_opa.approvals.grants import StoredGrants
    from hitl_opa.approvals.standings import Standings
    from hitl_opa.audit import Receipt
    from hitl_opa.audit.batch import Batch

F = TypeVar("F", bound=Callable[..., Any])


class Guard:
    """Decides tool calls. `Guard.open` makes one from settings; the constructor takes its parts.

    ``engine`` evaluates the policy, ``audit`` keeps the record, ``reviewer`` is the human who can be
    asked now (None: nobody). ``approvals`` keep asks that nobody answers in time (None: those are denied).
    ``standings`` say what tools have earned, and whether all autonomy is frozen (None: nothing is looked up).
    ``clock`` returns the time in UTC. A guard may be shared by threads.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        audit: AuditLog,
        config: Config | None = None,
        reviewer: Reviewer | None = None,
        known: Known | None = None,
        approvals: Approvals | None = None,
        standings: Standings | None = None,
        clock: Callable[[], datetime] | None = None,
        log: Any = None,
    ) -> None:
        self.config = config or Config()
        self.audit = audit
        self.reviewer = reviewer
        self.engine = engine
        self.known = known or Known()
        self.approvals = approvals
        self.standings = standings
        self.clock = clock or (lambda: datetime.now(UTC))
        self._log = log or open_log()
        self.sessions = Sessions()
        self.grants: Grants | StoredGrants = Grants(audit.append) if approvals is None else approvals.grants
        self.revision = engine.describe().get("revision", "")

    @classmethod
    def open(
        cls, source: str | Path | Config | None = None, *, reviewer: Reviewer | None = None, **overrides: Any
    ) -> Self:
        """A guard from ``hitl.yaml`` (if there is one, else the defaults), from a file, or from a `Config`.

        ``overrides`` are fields of `Config` and win. Raises ConfigError, PolicyError or AuditError:
        a guard that cannot work does not open.
        """
        from hitl_opa.guard.opening import open_approvals, open_parts, open_standings

        config = source if isinstance(source, Config) else load_config(source, **overrides)
        if isinstance(source, Config) and overrides:
            config = msgspec.structs.replace(source, **overrides)
        engine, audit, known = open_parts(config)
        approvals = open_approvals(config, audit, lambda: guard) if config.durable else None
        guard = cls(
            engine=engine,
            audit=audit,
            config=config,
            reviewer=reviewer,
            known=known,
            approvals=approvals,
            standings=open_standings(config, audit),
        )
        return guard

    # --- deciding

    async def decide(self, call: ToolCall) -> Decision:
        """The recorded decision on a call. Never raises for what the call holds: it denies."""
        return (await self.rule(call)).decision

    def decide_sync(self, call: ToolCall) -> Decision:
        """`decide` for a caller without an event loop."""
        return self.rule_sync(call).decision

    async def rule(self, call: ToolCall, *, level: int | None = None, batch: Batch | None = None) -> Ruling:
        """`decide` with what was decided on: the enforcement point's half.

        ``level`` stands in for the settings' where the caller's credential says another. ``batch``
        (of this guard's ``audit``) records it together with others that are decided at the same time.
        """
        case = Case(self, call, level)
        await self._evaluate(case)
        if batch is None:
            return self._close(case)
        ruling = case.ruling()
        try:
            self.sessions.after(ruling)
            await batch.append(case.event(ruling))
        except Exception as error:  # noqa: BLE001 - an unrecorded allow must not exist
            ruling = self._unrecorded(ruling, error)
        return self._told(case, ruling)

    async def problem(self, call: ToolCall) -> str:
        """What keeps this call from being decided just now, ``""`` where nothing does. Nothing is recorded."""
        case = Case(self, call, None)
        await self._evaluate(case)
        return case.error

    async def _evaluate(self, case: Case) -> None:
        import asyncio

        if case.decision is not None:
            return
        try:
            async with asyncio.timeout(self.config.deadline):
                case.answer(await self.engine.evaluate(case.body))
                for grant in case.grants():
                    if case.granted(grant, await self.engine.evaluate(case.carrying(grant))):
                        break
        except TimeoutError:
            case.fail(EngineTimeout(f"no decision within {self.config.deadline:g} s"))
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is a deny
            case.fail(error)

    def rule_sync(self, call: ToolCall, *, level: int | None = None) -> Ruling:
        """`rule` for a caller without an event loop."""
        return self.rule_case(Case(self, call, level))

    def rule_case(self, case: Case) -> Ruling:
        """`rule_sync` for a case that was made elsewhere."""
        if case.decision is None:
            try:
                case.answer(self.engine.evaluate_sync(case.body))
                for grant in case.grants():
                    if case.granted(grant, self.engine.evaluate_sync(case.carrying(grant))):
                        break
            except Exception as error:  # noqa: BLE001 - as above
                case.fail(error)
        return self._close(case)

    def _close(self, case: Case) -> Ruling:
        """Record what was decided; a decision that cannot be recorded is a deny."""
        ruling = case.ruling()
        try:
            self.sessions.after(ruling)
            self.audit.append(case.event(ruling))
        except Exception as error:  # noqa: BLE001 - as above
            ruling = self._unrecorded(ruling, error)
        return self._told(case, ruling)

    def _told(self, case: Case, ruling: Ruling) -> Ruling:
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

    def _unrecorded(self, ruling: Ruling, error: Exception) -> Ruling:
        self._log.error("record failed", error=str(error))
        if ruling.decision.verdict is Verdict.DENY:
            return ruling
        decision = refusal(
            "guard.record-failed",
            f"The decision could not be recorded, so the call is denied: {error}",
            "Make room for the record, or repair it with hitl-opa audit verify.",
            revision=self.revision,
        )
        return msgspec.structs.replace(ruling, decision=decision)

    # --- enforcing

    async def resolve(self, ruling: Ruling, reviewer: Reviewer | None = None, rationale: str = "") -> Outcome:
        """What may happen: allow and deny as they are, an ask as the reviewer answers it.

        An edited call is decided again. Nobody to ask, no answer within ``config.attended`` seconds,
        a reviewer that raises or an obligation that nobody here knows: not allowed. With durable
        approvals, an ask without an answer is kept as one, and an approved one lets its call run once.
        """
        from hitl_opa.guard import review

        return await review.resolve(self, ruling, reviewer or self.reviewer, rationale)

    async def answered(self, outcome: Outcome, reviewer: Reviewer | None = None, rationale: str = "") -> Outcome:
        """A question that may be asked, with its answers; not allowed where there are none (yet).

        As with `resolve`: the reviewer who is there answers; with durable approvals the question is else
        kept as one, and asking it again gives the answers once there are any.
        """
        from hitl_opa.guard import questions

        return await questions.answered(self, outcome, reviewer or self.reviewer, rationale)

    def record(self, event: Event) -> Receipt:
        """Put something else on the record. Raises AuditError."""
        return self.audit.append(event)

    def watch(self, observer: Callable[[dict[str, Any]], None]) -> None:
        """Hand the leaf of each record to ``observer`` once it was written; `hitl_opa.metrics.spans.Spans` is one.

        What it raises is logged: by then the record is there, and the decision stands.
        """

        def watched(leaf: dict[str, Any]) -> None:
            try:
                observer(leaf)
            except Exception as error:  # noqa: BLE001 - as above
                self._log.error("observer failed", error=f"{type(error).__name__}: {error}")

        self.audit.observers.append(watched)

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
        event = Event(
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
        if ruling.approval and self.approvals is not None:
            self.approvals.settle(ruling.approval, status, event)
        else:
            self.audit.append(event)
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

    def describe(self) -> str:
        """Engine, level and policy revision, in a line."""
        engine = self.engine.describe()
        return (
            f"{engine['engine']} engine ({engine['version']}), level {self.config.level}, policy {self.revision[:12]}"
        )

    # --- hosts

    def waiting(self, session: str) -> list[Approval]:
        """What a session waits for, oldest first. Raises ApprovalError or AuditError."""
        if self.approvals is None:
            return []
        from hitl_opa.approvals.approval import Query
        from hitl_opa.approvals.states import State

        query = Query(states=frozenset({State.PENDING}), session=session, limit=1_000)
        return sorted(self.approvals.search(query), key=lambda approval: approval.requested_at)

    def protect(self, options: ClaudeAgentOptions, **settings: Any) -> ClaudeAgentOptions:
        """New Claude Agent SDK options whose every tool call passes this guard; see `hitl_opa.claude.protect`."""
        from hitl_opa.claude import protect

        return protect(self, options, **settings)

    def tool(self, function: F) -> F:
        """Decorator: the function runs only as this guard decides, else `hitl_opa.errors.Denied` is raised.

        The tool call has the function's name and its bound arguments. Works on sync and async functions.
        """
        from hitl_opa.guard import functions

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
        from hitl_opa.guard import functions

        return await functions.execute_with_approval(self, action, risk, timeout, name, input, reviewer)

    async def close(self) -> None:
        """Close engine and record."""
        await self.engine.close()
        self.audit.close()

    def close_sync(self) -> None:
        """`close` for a caller without an event loop."""
        self.engine.close_sync()
        self.audit.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
