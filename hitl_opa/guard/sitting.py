"""Whether the word of whoever sits there now would count: policy says, as it does of votes that come later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from hitl_opa.engines import VOTE
from hitl_opa.model import Ballot, Judgement, Matter, Reviewer, Voter

if TYPE_CHECKING:
    from hitl_opa.guard.guard import Guard
    from hitl_opa.guard.ruling import Ruling

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Judgement)


async def barred(guard: Guard, ruling: Ruling, reviewer: Reviewer) -> str:
    """Why this reviewer alone cannot approve this call, ``""`` where they can."""
    if ruling.decision.obligation("approval") is None:
        return "Policy asks, but says not how it is approved; the call is denied."
    try:
        ballot = _ballot(ruling, reviewer, guard.clock().timestamp())
        judgement = _decoder.decode(await guard.engine.evaluate(_encoder.encode(ballot), VOTE))
    except Exception as error:  # noqa: BLE001 - whatever keeps policy from judging, the reviewer's word does not count
        return f"Policy could not say whether {reviewer.name or 'the reviewer'} may approve this call: {error}"
    if not judgement.counts:
        return judgement.reason
    if judgement.outcome != "approved":
        return "This call needs more people than the one who is there."
    return ""


def _ballot(ruling: Ruling, reviewer: Reviewer, now: float) -> Ballot:
    from hitl_opa.approvals.terms import terms_of

    session, document = ruling.call.session, ruling.document
    terms = terms_of(ruling.decision)
    kind = document.call.kind if document.call.kind in ("question", "plan") else "call"
    matter = Matter(
        id=ruling.id,
        kind=cast("Any", kind),
        tool=ruling.call.tool,
        risk=cast("Any", str(ruling.decision.risk)),
        agent=session.agent_id,
        principal=session.principal,
        edited_by="",
        quorum=terms.quorum,
        approvers=terms.approvers,
        each=terms.each,
        escalated_to=[],
    )
    voter = Voter(
        name=reviewer.name, groups=sorted(reviewer.groups), roles=["reviewer"], auth="session", authenticated_at=now
    )
    return Ballot(time=now, matter=matter, voter=voter, approves=True, channel="session", cast=[])
