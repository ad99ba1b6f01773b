"""Votes as policy judges them."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from hitl_opa.approvals.approval import Approval, Edit, Person
from hitl_opa.approvals.terms import RISKS, stricter, terms_of
from hitl_opa.model import Ballot, Cast, Decision, Judgement, Matter, Referee, Voter


def counting(approval: Approval, changes: dict[str, Any]) -> Approval:
    """The approval as a vote that also changes it is judged: votes on another input do not count, and where policy
    is stricter with the edit than with what was asked, it is as policy says now."""
    edit = changes.get("edit")
    if not isinstance(edit, Edit):
        return approval
    terms, risk = approval.terms, approval.risk
    now = msgspec.convert(edit.decision, Decision)
    if now.obligation("approval") is not None and stricter(now, approval.decision):
        terms = terms_of(now)
    risk = max(risk, str(now.risk), key=RISKS.index)
    return msgspec.structs.replace(approval, votes=[], terms=terms, risk=risk, **changes)


def place(approval: Approval) -> set[str]:
    """The people and groups whose word has a place in it."""
    return {*approval.terms.approvers, *approval.escalated_to}


def ballot_of(approval: Approval, person: Person, approves: bool, channel: str, now: float) -> Ballot:
    """What policy is asked."""
    terms = approval.terms
    return Ballot(
        time=now,
        matter=Matter(
            id=approval.id,
            kind=cast("Any", approval.kind),
            tool=approval.tool,
            risk=cast("Any", approval.risk),
            agent=approval.agent,
            principal=approval.principal,
            edited_by=approval.edit.by if approval.edit else "",
            quorum=terms.quorum,
            approvers=terms.approvers,
            each=terms.each,
            escalated_to=approval.escalated_to,
        ),
        voter=Voter(
            name=person.name,
            groups=sorted(person.groups),
            roles=sorted(person.roles),
            auth=person.auth,
            authenticated_at=person.authenticated_at,
        ),
        approves=approves,
        channel=channel,
        cast=[Cast(reviewer=v.reviewer, groups=v.groups, approves=v.approves) for v in approval.votes],
    )


def judged(referee: Referee | None, ballot: Ballot) -> Judgement:
    """What policy says. Where it cannot say, or says what cannot be, the vote does not count."""
    if referee is None:
        return _refused("There is no policy here that says whose word counts.")
    if not ballot.voter.name:
        return _refused("Who votes has no name.")
    try:
        judgement = referee.judge(ballot)
    except Exception as error:  # noqa: BLE001 - whatever keeps policy from judging, the vote does not count
        return _refused(f"Policy could not judge the vote: {error}")
    if judgement.counts and judgement.outcome == "approved" and not ballot.approves:
        return _refused("Policy says that a rejection approves, which it cannot.")
    return judgement


def _refused(reason: str) -> Judgement:
    return Judgement(counts=False, rule="approvals.floor", reason=reason, outcome="pending")
