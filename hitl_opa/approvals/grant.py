"""Standing grants: what a person allowed for a time, so often, without being asked each time."""

from __future__ import annotations

import uuid
from pathlib import PurePosixPath

import msgspec

from hitl_opa.approvals.approval import Approval
from hitl_opa.approvals.states import State
from hitl_opa.errors import ApprovalError
from hitl_opa.model import Decision, Document, Effect, GrantFact, GrantScope, Verdict

MAX_SECONDS = 7 * 86_400
_GIVEN = frozenset({State.APPROVED, State.EXECUTING, State.EXECUTED, State.FAILED, State.UNKNOWN})


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One grant. ``kind``: ``equal`` covers calls that share ``scope`` (the digest of one), ``scope`` those whose every
    effect lies within ``effects``, ``plan`` such calls of ``session`` alone.

    ``tool``, ``agent`` and ``session`` are ``""`` for any; it holds for calls of ``principal`` only.
    ``waives`` are the rules whose asks it lifts: policy lifts no floor, nothing critical, and no deny.
    ``max_uses``: 0 is as often as there is time. Times are seconds since the epoch, 0 where not reached.
    """

    id: str
    kind: str
    principal: str
    waives: list[str]
    reviewer: str
    granted_at: float
    expires_at: float
    scope: str = ""
    tool: str = ""
    agent: str = ""
    session: str = ""
    effects: list[GrantScope] = []
    max_uses: int = 0
    uses: int = 0
    used_at: float = 0.0
    approval: str = ""
    decision_id: str = ""
    revoked_at: float = 0.0
    revoked_by: str = ""

    def fact(self, scope: str) -> GrantFact:
        """What policy is told of it, for the call with this scope."""
        return GrantFact(
            id=self.id,
            kind=self.kind,
            waives=self.waives,
            reviewer=self.reviewer,
            equal=bool(self.scope) and self.scope == scope,
            tool=self.tool,
            agent=self.agent,
            session=self.session,
            effects=self.effects,
        )

    def holds(self, now: float) -> bool:
        """Whether there is something left of it."""
        return not self.revoked_at and now < self.expires_at and not 0 < self.max_uses <= self.uses


def grant_of(approval: Approval, reviewer: str, *, seconds: float, uses: int, alike: bool, now: float) -> Grant:
    """A grant for calls equal to one that ``reviewer`` approved; with ``alike``, for those that do no more than it.

    Raises ApprovalError where nothing may be granted from it.
    """
    if approval.state not in _GIVEN or not any(v.reviewer == reviewer and v.approves for v in approval.votes):
        raise ApprovalError(f"{reviewer} has not approved {approval.id}, so there is nothing to grant from it")
    if approval.terms.quorum > 1 or approval.terms.approvers or approval.terms.permission == "approve":
        raise ApprovalError("what needs several people, named ones or a typed phrase needs them each time")
    if approval.kind != "call" or approval.edit is not None:
        raise ApprovalError("only a call that was approved as it was asked for can be granted again")
    document = msgspec.convert(approval.document, Document)
    effects = [scope_of_effect(e) for e in document.facts.effects] if alike else []
    unknown = document.facts.opaque or any(effect.place == "unknown" for effect in effects)
    if alike and (not effects or unknown):
        raise ApprovalError("what this call does is not known well enough to say what is like it")
    grant = new_grant(
        "scope" if alike else "equal",
        msgspec.convert(approval.decision, Decision),
        principal=approval.principal,
        reviewer=reviewer,
        seconds=seconds,
        now=now,
    )
    if grant is None:
        raise ApprovalError("no grant lifts what asked: it is a floor, or critical")
    if not alike and not approval.scope:
        raise ApprovalError("this approval does not say what calls are equal to it")
    return msgspec.structs.replace(
        grant,
        scope="" if alike else approval.scope,
        tool=approval.tool,
        agent=approval.agent,
        effects=effects,
        max_uses=uses,
        approval=approval.id,
        decision_id=approval.decision_id,
    )


def new_grant(
    kind: str, decision: Decision, *, principal: str, reviewer: str, seconds: float, now: float
) -> Grant | None:
    """A grant that lifts what asked, None where nothing of it can be lifted."""
    waives = sorted(
        {r.rule for r in decision.reasons if r.verdict is Verdict.ASK and not r.floor and r.risk != "critical"}
    )
    if not waives or seconds <= 0:
        return None
    return Grant(
        id=str(uuid.uuid4()),
        kind=kind,
        principal=principal,
        waives=waives,
        reviewer=reviewer,
        granted_at=now,
        expires_at=now + min(seconds, MAX_SECONDS),
    )


def scope_of_effect(effect: Effect) -> GrantScope:
    """What is like this effect: the same verb on the same kind of target, in the same directory where it has one."""
    target = effect.target
    under = target.value
    if target.type == "path" and target.real:
        under = f"{PurePosixPath(target.real).parent}/".replace("//", "/")
    return GrantScope(verb=effect.verb, type=target.type, place=target.place, under=under)
