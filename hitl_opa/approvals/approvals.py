"""What may happen to an approval: asked, voted on, used once, settled; each on the record as it happens."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from hitl_opa.approvals.approval import Approval, Terms, Vote
from hitl_opa.approvals.states import LIVE, State
from hitl_opa.approvals.store import Store, Transaction
from hitl_opa.audit import AuditLog, Event, Kind, digest
from hitl_opa.audit.leaf import Redact
from hitl_opa.errors import ApprovalError
from hitl_opa.model import Decision, Document

ENDINGS = {"ran": State.EXECUTED, "failed": State.FAILED, "blocked": State.FAILED}


class Approvals:
    """The approvals of one record. ``clock`` returns the time in UTC; ``redact`` takes secrets out of what is kept.

    Clocks that have run out are seen to first, whatever is asked. Raises ApprovalError for what may
    not be, AuditError where it cannot be recorded; then nothing was changed.
    """

    def __init__(self, store: Store, *, redact: Redact, clock: Callable[[], datetime] | None = None) -> None:
        self._store = store
        self._redact = redact
        self._clock = clock or (lambda: datetime.now(UTC))

    @classmethod
    def open(cls, audit: AuditLog, *, redact: Redact, clock: Callable[[], datetime] | None = None) -> Approvals:
        """The approvals in the file of this record; their tables are made where they are missing."""
        return cls(Store(audit), redact=redact, clock=clock)

    # --- the agent's side

    def request(
        self, digest: str, document: Document, decision: Decision, decision_id: str, rationale: str = ""
    ) -> Approval:
        """The live approval of this call, a new one where there is none. ``digest`` is what it binds to."""
        with self._store.begin() as transaction:
            now = self._tick(transaction)
            found = transaction.latest(digest)
            if found is not None and found.state in LIVE:
                return found
            terms = terms_of(decision)
            shown = self._redact(
                {
                    "document": msgspec.to_builtins(document),
                    "decision": msgspec.to_builtins(decision),
                    "rationale": rationale,
                }
            )
            approval = Approval(
                id=str(uuid.uuid4()),
                digest=digest,
                state=State.PENDING,
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
                **shown,
            )
            transaction.add(approval, _event(approval, State.PENDING))
            return approval

    def latest(self, digest: str) -> Approval | None:
        """What there is of this call: its live approval, else the one that was asked last."""
        with self._store.begin() as transaction:
            self._tick(transaction)
            return transaction.latest(digest)

    def consume(self, id: str, digest: str) -> Approval | None:
        """Use an approval for the call with this digest. None where it is not there to be used (any more).

        Of all who try at the same time one succeeds; on return it is on the disk that it was used.
        """
        with self._store.begin() as transaction:
            now = self._tick(transaction)
            found = transaction.get(id)
            if found is None or found.digest != digest or found.state is not State.APPROVED:
                return None
            moved = transaction.move(
                id, State.APPROVED, State.EXECUTING, _event(found, State.EXECUTING), started_at=now
            )
            return transaction.get(id) if moved else None

    def settle(self, id: str, status: str, event: Event) -> None:
        """Record what became of a call (``ran``, ``failed``, ``blocked``) that used this approval, both together."""
        with self._store.begin() as transaction:
            now = self._clock().timestamp()
            found = transaction.get(id)
            event = msgspec.structs.replace(event, extra={**event.extra, "approval": id})
            if found is not None and found.state in (State.EXECUTING, State.UNKNOWN):
                event = msgspec.structs.replace(event, extra={**event.extra, "state": str(ENDINGS[status])})
                transaction.move(id, found.state, ENDINGS[status], event, ended_at=now)
            else:
                transaction.record(event)

    def supersede(self, id: str, reason: str) -> bool:
        """Void a live approval because policy no longer asks for what was approved."""
        return self._end(id, State.SUPERSEDED, reason, "")

    # --- the people's side

    def get(self, prefix: str) -> Approval:
        """The approval whose id starts so. Raises ApprovalError where there is none, or more than one."""
        with self._store.begin() as transaction:
            self._tick(transaction)
            found = transaction.starting(prefix) if prefix else []
            if len(found) > 1:
                raise ApprovalError(f"more than one approval has an id that starts with {prefix!r}: give more of it")
            if not found:
                raise ApprovalError(f"there is no approval {prefix!r}: see `hitl-opa approvals list --all`")
            return found[0]

    def listed(self, states: frozenset[State], limit: int = 200) -> list[Approval]:
        """The latest in these states, newest first."""
        with self._store.begin() as transaction:
            self._tick(transaction)
            return transaction.listed(states, limit)

    def vote(self, id: str, reviewer: str, groups: frozenset[str], *, approves: bool, reason: str = "") -> Approval:
        """One reviewer's word. One rejection denies; the approval is given once its terms are met.

        The same word said again changes nothing and is no error. Raises ApprovalError for a reviewer who may not
        approve this call, and for a word that comes too late.
        """
        with self._store.begin() as transaction:
            now = self._tick(transaction)
            found = _there(transaction, id)
            if any(v.reviewer == reviewer and v.approves == approves for v in found.votes):
                return found
            if found.state is not State.PENDING:
                raise ApprovalError(f"approval {id} is {found.state} already")
            if not reviewer or any(v.reviewer == reviewer for v in found.votes):
                raise ApprovalError(f"{reviewer or 'nobody'} has voted on approval {id} already, or has no name")
            if approves and (barred := _barred(found, reviewer, groups)):
                raise ApprovalError(barred)
            groups = groups & set(found.terms.approvers)
            vote = Vote(reviewer=reviewer, groups=sorted(groups), approves=approves, reason=reason, at=now)
            votes = [*found.votes, vote]
            state = State.DENIED if not approves else State.APPROVED if _enough(found.terms, votes) else State.PENDING
            transaction.vote(id, vote, _review(found, vote, state))
            if state is not State.PENDING:
                until = now + found.terms.execution_expires_in if approves else 0.0
                event = _event(found, state, reason)
                transaction.move(
                    id, State.PENDING, state, event, decided_at=now, execution_expires_at=until, reason=reason
                )
            return _there(transaction, id)

    def cancel(self, id: str, by: str, reason: str = "") -> Approval:
        """Withdraw a live approval. Raises ApprovalError where it is not live any more."""
        if not self._end(id, State.CANCELLED, reason or f"{by} cancelled it.", by):
            with self._store.begin() as transaction:
                raise ApprovalError(f"approval {id} is {_there(transaction, id).state} already")
        return self.get(id)

    def _end(self, id: str, state: State, reason: str, by: str) -> bool:
        with self._store.begin() as transaction:
            now = self._tick(transaction)
            found = _there(transaction, id)
            if found.state not in LIVE:
                return False
            return transaction.move(
                id, found.state, state, _event(found, state, reason, by), ended_at=now, reason=reason
            )

    def _tick(self, transaction: Transaction) -> float:
        """The time, once every clock that has run out by then has had its effect."""
        now = self._clock().timestamp()
        for late in transaction.overdue(now):
            state = State.EXPIRED if late.state is State.PENDING else State.LAPSED
            transaction.move(late.id, late.state, state, _event(late, state), ended_at=now)
        return now


def terms_of(decision: Decision) -> Terms:
    """How policy wants this ask approved. Raises ApprovalError where it does not say."""
    obligation = decision.obligation("approval")
    if obligation is None:
        raise ApprovalError("policy asks, but says not how it is approved")
    known = {name: obligation.properties[name] for name in Terms.__struct_fields__ if name in obligation.properties}
    try:
        terms = msgspec.convert(known, Terms)
    except msgspec.ValidationError as error:
        raise ApprovalError(f"the approval that policy asks for makes no sense: {error}") from None
    if terms.quorum < 1 or min(terms.expires_in, terms.execution_expires_in) <= 0:
        raise ApprovalError("the approval that policy asks for can never be given")
    everybody = sorted({*terms.approvers, *(name for names in terms.each for name in names)})
    return msgspec.structs.replace(terms, approvers=everybody)


def stricter(new: Decision, old: dict[str, Any]) -> bool:
    """Whether policy asks for more now than for what was approved (``Approval.decision``)."""
    before = msgspec.convert(old, Decision)
    verdicts, risks = ["allow", "ask", "deny"], ["low", "medium", "high", "critical"]
    if verdicts.index(new.verdict) > verdicts.index(before.verdict):
        return True
    if risks.index(new.risk) > risks.index(before.risk):
        return True
    now, then = terms_of(new), terms_of(before)
    groups = [set(names) for names in then.each] or ([set(then.approvers)] if then.approvers else [])
    wanted = [set(names) for names in now.each] or ([set(now.approvers)] if now.approvers else [])
    return (
        now.quorum > then.quorum
        or (now.permission == "approve") > (then.permission == "approve")
        or any(not any(had <= want for had in groups) for want in wanted)
    )


def _there(transaction: Transaction, id: str) -> Approval:
    found = transaction.get(id)
    if found is None:
        raise ApprovalError(f"there is no approval {id!r}")
    return found


def _barred(approval: Approval, reviewer: str, groups: frozenset[str]) -> str:
    """Why this reviewer may not approve it, ``""`` where they may."""
    approvers = set(approval.terms.approvers)
    if approvers and reviewer not in approvers and not approvers & groups:
        return f"This call needs an approver of {', '.join(sorted(approvers))}; {reviewer} is none of them."
    if (approvers or approval.terms.quorum > 1) and reviewer == approval.principal:
        return "Nobody approves their own agent's call where policy names approvers or wants several."
    return ""


def _enough(terms: Terms, votes: list[Vote]) -> bool:
    """Whether enough people agree, one of each list among them."""
    agree = [{vote.reviewer, *vote.groups} for vote in votes if vote.approves]
    return len(agree) >= terms.quorum and all(any(who & set(names) for who in agree) for names in terms.each)


def _event(approval: Approval, state: State, reason: str = "", by: str = "") -> Event:
    return Event(
        kind=Kind.APPROVAL,
        **_about(approval),
        reviewer=by,
        extra={"approval": approval.id, "state": str(state)},
        detail={"reason": reason} if reason else None,
    )


def _review(approval: Approval, vote: Vote, state: State) -> Event:
    terms = approval.terms
    self_approved = vote.approves and terms.permission == "approve" and not terms.approvers
    return Event(
        kind=Kind.REVIEW,
        **_about(approval),
        verdict="approve" if vote.approves else "reject",
        decided_by="reviewer",
        reviewer=vote.reviewer,
        seen=digest({"document": approval.document, "decision": approval.decision, "rationale": approval.rationale}),
        extra={"approval": approval.id, "state": str(state), "self_approved": self_approved},
        result={"choice": "approve" if vote.approves else "reject", "reason": vote.reason},
    )


def _about(approval: Approval) -> dict[str, Any]:
    return {
        "decision_id": approval.decision_id,
        "call_id": approval.call_id,
        "tool": approval.tool,
        "session": approval.session,
        "agent": approval.agent,
        "principal": approval.principal,
        "risk": approval.risk,
        "digest": approval.digest,
    }
