"""What may happen to an approval: asked, voted on, used once, settled; each on the record as it happens."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from hitl_opa.approvals import events
from hitl_opa.approvals.approval import Approval, Person, Query
from hitl_opa.approvals.clocks import advance, catch_up, looking
from hitl_opa.approvals.grant import Grant, grant_of
from hitl_opa.approvals.grants import StoredGrants
from hitl_opa.approvals.leases import Leases
from hitl_opa.approvals.states import LIVE, State
from hitl_opa.approvals.store import Store, Transaction
from hitl_opa.approvals.terms import Terms, stricter, terms_of
from hitl_opa.approvals.voting import Voting, Word, there
from hitl_opa.audit import AuditLog, Event
from hitl_opa.audit.leaf import Redact
from hitl_opa.errors import ApprovalError, NoSuchApproval
from hitl_opa.model import Decision, Document, Referee

ENDINGS = {"ran": State.EXECUTED, "failed": State.FAILED, "blocked": State.FAILED}
GIVEN = frozenset({State.APPROVED, State.EXECUTING, State.EXECUTED, State.FAILED, State.UNKNOWN, State.LAPSED})
"""States that an approval only reaches once people (or policy, for them) have approved it."""

_PLACEHOLDER = b"[secret:"


class Approvals:
    """The approvals of one record. ``clock`` returns the time in UTC; ``redact`` takes secrets out of what is kept.

    ``referee`` is policy, which says whose word counts; without one nobody's does. Clocks that have run
    out are seen to first, whatever is asked. Raises ApprovalError for what may not be, AuditError where
    it cannot be recorded; then nothing was changed.
    """

    def __init__(
        self,
        store: Store,
        *,
        redact: Redact,
        clock: Callable[[], datetime] | None = None,
        referee: Referee | None = None,
    ) -> None:
        self.store = store
        self._redact = redact
        self._clock = clock or (lambda: datetime.now(UTC))
        self._voting = Voting(store, redact, self._now, referee)
        self.grants = StoredGrants(store)

    @classmethod
    def open(
        cls,
        audit: AuditLog,
        *,
        redact: Redact,
        clock: Callable[[], datetime] | None = None,
        referee: Referee | None = None,
    ) -> Approvals:
        """The approvals in the file of this record; their tables are made where they are missing."""
        return cls(Store(audit), redact=redact, clock=clock, referee=referee)

    @property
    def leases(self) -> Leases:
        """Who goes on with a session just now."""
        return Leases(self.store, self._clock)

    # --- the agent's side

    def request(
        self,
        digest: str,
        document: Document,
        decision: Decision,
        decision_id: str,
        rationale: str = "",
        *,
        run: str = "",
        scope: str = "",
    ) -> Approval:
        """The live approval of this call, a new one where there is none. ``digest`` is what it binds to.

        ``run``: what finds the session again, the session's id where it is ``""``; ``scope``: see `Approval`.
        """
        with self.store.begin() as transaction:
            now = self._tick(transaction)
            found = transaction.latest(digest)
            if found is not None and found.state in LIVE:
                return found
            session = run or document.agent.session
            approval = self._new(digest, document, decision, decision_id, rationale, now, run=session, scope=scope)
            transaction.add(approval, events.changed(approval, State.PENDING))
            return approval

    def plant(
        self, document: Document, decision: Decision, decision_id: str, why: str, due: Callable[[Transaction], bool]
    ) -> Approval | None:
        """Plant a request that has to be rejected; what it binds to is random, so that no call ever finds it.

        None where it is not ``due``, which is asked in the transaction: of many workers one plants.
        """
        digest = f"sha256:{secrets.token_hex(32)}"
        event = Event.decision(document, decision, decision_id=decision_id, digest=digest)
        with self.store.begin() as transaction:
            now = self._tick(transaction)
            if not due(transaction):
                return None
            approval = self._new(digest, document, decision, decision_id, "", now, canary=why)
            transaction.record(msgspec.structs.replace(event, extra={"canary": True}))
            transaction.add(approval, events.changed(approval, State.PENDING))
            return approval

    def _new(
        self,
        digest: str,
        document: Document,
        decision: Decision,
        decision_id: str,
        rationale: str,
        now: float,
        **about: Any,
    ) -> Approval:
        kind = document.call.kind if document.call.kind in ("question", "plan") else "call"
        # a question asks nothing of policy: anybody who may review may answer it
        asked = kind != "question" or decision.obligation("approval") is not None
        terms = terms_of(decision) if asked else Terms()
        shown = self._redact(
            {
                "document": msgspec.to_builtins(document),
                "decision": msgspec.to_builtins(decision),
                "rationale": rationale,
            }
        )
        return Approval(
            id=str(uuid.uuid4()),
            digest=digest,
            state=State.PENDING,
            kind=kind,
            session=document.agent.session,
            tool=document.call.tool,
            agent=document.agent.id,
            principal=document.agent.principal,
            call_id=document.call.id,
            decision_id=decision_id,
            risk=str(decision.risk),
            terms=terms,
            requested_at=now,
            expires_at=now + terms.expires_in,
            **about,
            **shown,
        )

    def latest(self, digest: str) -> Approval | None:
        """What there is of this call: its live approval, else the one that was asked last."""
        with looking(self.store, self._now()) as transaction:
            return transaction.latest(digest)

    def consume(self, id: str, digest: str) -> Approval | None:
        """Use an approval for the call with this digest. None where it is not there to be used (any more).

        Of all who try at the same time one succeeds; on return it is on the disk that it was used.
        """
        with self.store.begin() as transaction:
            now = self._tick(transaction)
            found = transaction.get(id)
            if found is None or found.digest != digest or found.state is not State.APPROVED:
                return None
            moved = transaction.move(found, State.EXECUTING, events.changed(found, State.EXECUTING), started_at=now)
            return transaction.get(id) if moved else None

    def settle(self, id: str, status: str, event: Event) -> None:
        """Record what became of a call (``ran``, ``failed``, ``blocked``) that used this approval, both together."""
        with self.store.begin() as transaction:
            now = self._now()
            found = transaction.get(id)
            event = msgspec.structs.replace(event, extra={**event.extra, "approval": id})
            if found is not None and found.state in (State.EXECUTING, State.UNKNOWN):
                event = msgspec.structs.replace(event, extra={**event.extra, "state": str(ENDINGS[status])})
                transaction.move(found, ENDINGS[status], event, ended_at=now)
            else:
                transaction.record(event)

    def supersede(self, id: str, reason: str) -> bool:
        """Void a live approval because policy no longer asks for what was approved."""
        return self._end(id, State.SUPERSEDED, reason, "")

    # --- looking

    def get(self, prefix: str) -> Approval:
        """The approval whose id starts so. Raises ApprovalError where there is none, or more than one."""
        with looking(self.store, self._now()) as transaction:
            found = transaction.starting(prefix) if prefix else []
            if len(found) > 1:
                raise NoSuchApproval(f"more than one approval has an id that starts with {prefix!r}: give more of it")
            if not found:
                raise NoSuchApproval(f"there is no approval {prefix!r}: see `hitl-opa approvals list --all`")
            return found[0]

    def search(self, query: Query | None = None) -> list[Approval]:
        """What a query asks for, all by default; newest first."""
        with looking(self.store, self._now()) as transaction:
            return transaction.search(query or Query())

    def listed(self, states: frozenset[State], limit: int = 200) -> list[Approval]:
        """The latest in these states, newest first."""
        return self.search(Query(states=states, limit=limit))

    def counts(self) -> dict[State, int]:
        """How many there are in each state; states without any are left out."""
        with looking(self.store, self._now()) as transaction:
            return transaction.counts()

    def history(self, agent: str, tool: str, limit: int = 20) -> list[Approval]:
        """The latest that this agent asked for with this tool, newest first."""
        with self.store.look() as transaction:
            return transaction.alike(agent, tool, frozenset(State), limit)

    def similar(self, approval: Approval) -> Approval | None:
        """The last one before it of the same agent and tool that was approved."""
        with self.store.look() as transaction:
            found = transaction.alike(approval.agent, approval.tool, GIVEN, 50)
        before = (a for a in found if a.id != approval.id and a.requested_at <= approval.requested_at)
        return next(before, None)

    def view(self, id: str, person: Person) -> Approval:
        """Note that somebody looks at it; the first look is put on the record."""
        with self.store.begin() as transaction:
            now = self._tick(transaction)
            found = there(transaction, id)
            if not found.viewed_at:
                transaction.update(found, events.viewed(found, person), viewed_at=now)
            return there(transaction, id)

    # --- the people's side

    def vote(
        self,
        id: str,
        person: Person,
        *,
        approves: bool,
        reason: str = "",
        category: str = "",
        channel: str = "api",
        look_ms: float = 0.0,
        seen: str = "",
        batch: str = "",
    ) -> Approval:
        """One reviewer's word. One rejection denies; the approval is given once policy says so.

        ``seen`` is the digest of what they were shown, if another page than the approval's present one; ``batch`` is
        the same for approvals that were decided together.
        The same word said again changes nothing and is no error. Raises ApprovalError for a reviewer
        whose word policy does not count, and for a word that comes too late.
        """
        word = Word(
            approves=approves,
            reason=reason,
            category=category,
            channel=channel,
            look_ms=look_ms,
            seen=seen,
            batch=batch,
        )
        return self._voting.say(id, person, word)

    def answer(
        self,
        id: str,
        person: Person,
        answers: dict[str, str],
        *,
        reason: str = "",
        channel: str = "api",
        look_ms: float = 0.0,
        seen: str = "",
    ) -> Approval:
        """Answer a question, question text -> answer. As `vote`; raises ApprovalError too for answers to other ones."""
        found = self.get(id)
        asked = _questions(found)
        if found.kind != "question":
            raise ApprovalError(f"approval {found.id} is a {found.kind}, and not a question to answer")
        if set(answers) != asked or not all(isinstance(a, str) and a for a in answers.values()):
            raise ApprovalError(f"answer each of: {'; '.join(sorted(asked))}")
        if found.answers == answers and any(v.reviewer == person.name for v in found.votes):
            return found
        if self._redact(answers) != answers:
            raise ApprovalError("the answer holds a secret, and secrets are not kept: give it to the agent another way")
        word = Word(approves=True, reason=reason, channel=channel, look_ms=look_ms, seen=seen)
        return self._voting.say(found.id, person, word, answers=answers)

    def edit(
        self,
        id: str,
        person: Person,
        input: dict[str, Any],
        *,
        reason: str = "",
        category: str = "",
        channel: str = "api",
        look_ms: float = 0.0,
        seen: str = "",
    ) -> Approval:
        """Approve another input than the asked one. Policy decides on it first.

        Who approved what was there before has not seen it, so their votes are void, and where policy is
        stricter with the edit its terms hold. Raises ApprovalError where policy denies it, and as `vote`.
        """
        found = self.get(id)
        if found.kind == "question":
            raise ApprovalError("a question is answered, not edited")
        if _PLACEHOLDER in msgspec.json.encode(input):
            raise ApprovalError("the edit holds what stands in place of a secret, and would run so: write it anew")
        if self._redact(input) != input:
            raise ApprovalError("the edit holds a secret, and secrets are not kept")
        if found.edited == input and any(v.reviewer == person.name and v.approves for v in found.votes):
            return found
        edit = self._voting.redecided(found, person, input, channel)
        word = Word(approves=True, reason=reason, category=category, channel=channel, look_ms=look_ms, seen=seen)
        return self._voting.say(found.id, person, word, edited=input, edit=edit)

    def grant(self, id: str, person: Person, *, seconds: float, uses: int = 0, alike: bool = False) -> Grant:
        """Let calls equal to one that this person approved pass for a time, at most ``uses`` times (0: no limit).

        With ``alike``: calls that do no more than it. Raises ApprovalError where nothing may be granted from it.
        """
        found = self.get(id)
        now = self._now()
        grant = grant_of(found, person.name, seconds=seconds, uses=uses, alike=alike, now=now)
        self.grants.add(grant)
        return grant

    def cancel(self, id: str, by: str, reason: str = "") -> Approval:
        """Withdraw a live approval. Raises ApprovalError where it is not live any more."""
        if not self._end(id, State.CANCELLED, reason or f"{by} cancelled it.", by):
            with self.store.begin() as transaction:
                raise ApprovalError(f"approval {id} is {there(transaction, id).state} already")
        return self.get(id)

    def reconcile(self, id: str, person: Person, outcome: Literal["executed", "failed"], note: str = "") -> Approval:
        """Settle what nobody reported, once a person has found out. Raises ApprovalError where it is settled."""
        if outcome not in ("executed", "failed"):
            raise ApprovalError(f"the outcome is {outcome!r}: it is executed or failed")
        if not person.name:
            raise ApprovalError("who found out has no name")
        with self.store.begin() as transaction:
            now = self._tick(transaction)
            found = there(transaction, id)
            if found.state not in (State.EXECUTING, State.UNKNOWN):
                if str(found.state) == outcome:
                    return found
                raise ApprovalError(f"approval {id} is {found.state}: there is nothing to reconcile")
            state = State(outcome)
            event = events.changed(found, state, note, person.name, reconciled=True)
            transaction.move(found, state, event, ended_at=now, reason=note or found.reason)
            return there(transaction, id)

    def tick(self) -> int:
        """See to the clocks that have run out: escalation, expiry, lapse, lost outcomes. Returns how many did."""
        return catch_up(self.store, self._now())

    def _now(self) -> float:
        return self._clock().timestamp()

    def _end(self, id: str, state: State, reason: str, by: str) -> bool:
        with self.store.begin() as transaction:
            now = self._tick(transaction)
            found = there(transaction, id)
            if found.state not in LIVE:
                return False
            event = events.changed(found, state, reason, by)
            return transaction.move(found, state, event, ended_at=now, reason=reason)

    def _tick(self, transaction: Transaction) -> float:
        """The time, once every clock that has run out by then has had its effect."""
        now = self._now()
        advance(transaction, now)
        return now


def _questions(approval: Approval) -> set[str]:
    asked = approval.document.get("call", {}).get("input", {}).get("questions", [])
    return {str(q.get("question", "")) for q in asked if isinstance(q, dict)} if isinstance(asked, list) else set()


__all__ = ["Approvals", "stricter", "terms_of"]
