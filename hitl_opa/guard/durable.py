"""Asks that outlive the process: kept as approvals, found again by the call they bind to."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hitl_opa.audit import digest
from hitl_opa.errors import ApprovalError
from hitl_opa.guard.case import call_digest
from hitl_opa.guard.grants import plan_grant, scope_of
from hitl_opa.guard.ruling import Outcome, Ruling
from hitl_opa.model import Verb

if TYPE_CHECKING:
    from hitl_opa.approvals.approval import Approval
    from hitl_opa.approvals.approvals import Approvals
    from hitl_opa.guard.guard import Guard

_CHANGES = {Verb.EXECUTE, Verb.WRITE, Verb.DELETE}
MAX_CONTENT = 64 * 1024 * 1024  # bytes of a file that an approval binds to; a larger one cannot be approved for later


def binding(ruling: Ruling) -> str:
    """``sha256:…`` of what a durable approval binds to: the call (whose, in which run, where, on which input),
    what it does to what, and the content of the files that it runs or changes. Raises ApprovalError.

    Which agent of the run issues it is left out: a subagent is gone when its call is approved, and the
    call is issued again by the agent that started it. Policy decides on that agent then.
    """
    facts, session = ruling.document.facts, ruling.call.session
    call = ruling.digest
    if session.agent_id:
        session = msgspec.structs.replace(session, agent_id="")
        call = call_digest(msgspec.structs.replace(ruling.call, session=session))
    files = sorted(
        {e.target.real for e in facts.effects if e.target.real and (e.verb in _CHANGES or e.target.type == "code")}
        | {path.real for path in facts.paths if path.access == "execute"}
    )
    return digest(
        {
            "call": call,
            "effects": facts.effects,
            "opaque": facts.opaque,
            "files": {name: _content(Path(name)) for name in files},
        }
    )


def _content(path: Path) -> str:
    try:
        if not path.is_file():
            return ""
        if path.stat().st_size > MAX_CONTENT:
            raise ApprovalError(f"{path} is too large for an approval to bind to")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        # what cannot be read is what it is: the call that is issued again meets the same error
        return f"unreadable: {error.strerror}"


async def carried(guard: Guard, approvals: Approvals, ruling: Ruling) -> tuple[Outcome | None, str]:
    """The outcome that an earlier approval of this call gives it; else None, and what the model should know of it."""
    from hitl_opa.approvals.states import State

    bound = binding(ruling)
    found = approvals.latest(bound)
    if found is None:
        return None, ""
    if found.state is State.APPROVED:
        return await _use(guard, approvals, ruling, found)
    if found.state is State.DENIED and not _over(found, ruling):
        words = f"{found.reviewers} rejected this call (approval {found.id})."
        words += f" They said: {found.reason}" if found.reason else ""
        return denied(ruling, f"reviewer:{found.reviewers}", words), ""
    return None, _TOLD.get(found.state, "").format(found=found)


async def _use(guard: Guard, approvals: Approvals, ruling: Ruling, found: Approval) -> tuple[Outcome | None, str]:
    """Use an approval up, if policy still says what it said when it was given, of what will run."""
    from hitl_opa.approvals.terms import stricter

    runs, was = ruling, found.decision
    if found.edit is not None:
        runs = await guard.rule(msgspec.structs.replace(ruling.call, input=found.edited or {}))
        was = found.edit.decision
        if binding(runs) != found.edit.digest:
            approvals.supersede(found.id, "What the edited call runs or changes was changed since.")
            return None, f"Approval {found.id} is void: what the edited call runs or changes was changed since."
    if stricter(runs.decision, was):
        approvals.supersede(found.id, "Policy became stricter than what was approved.")
        return None, f"Approval {found.id} is void: policy became stricter after it was given."
    used = approvals.consume(found.id, found.digest)
    if used is None:
        return None, f"Approval {found.id} was used by another process."
    if used.votes and (covered := plan_grant(ruling, used.reviewers, guard.clock().timestamp())):
        guard.grants.add(covered)
    if used.kind == "question":
        running = msgspec.structs.replace(runs, approval=used.id)
        words = f"{used.reviewers} answered."
        by = f"reviewer:{used.reviewers}"
        return Outcome(
            allowed=True, input=runs.call.input, message=words, ruling=running, by=by, answers=used.answers or {}
        ), ""
    who = used.reviewers or "policy, as nobody decided in time,"
    changed = "" if found.edit is None else f" {found.edit.by} changed its input, and what runs is the changed one."
    words = f"{who} approved this call; the approval is used up.{changed}"
    words += f" They said: {used.reason}" if used.votes and used.reason else ""
    running = msgspec.structs.replace(runs, approval=used.id)
    by = f"reviewer:{used.reviewers}" if used.votes else "policy"
    return Outcome(allowed=True, input=runs.call.input, message=words, ruling=running, by=by), ""


_TOLD = {
    "expired": "Nobody decided on it in time when it was asked before (approval {found.id}).",
    "lapsed": "Approval {found.id} was given, and not used in time.",
    "cancelled": "Approval {found.id} was cancelled: {found.reason}",
    "unknown": "An earlier approval of this call ({found.id}) is used, and nobody knows how that call ended: it may "
    "have had its effect.",
    "executing": "An earlier approval of this call ({found.id}) is used, and how that call ended is not on record: it "
    "may be running, or have had its effect.",
}


def pending(approvals: Approvals, ruling: Ruling, rationale: str, words: str) -> Outcome:
    """Keep the ask for later. The call does not run now, and the model is told what to do."""
    found = approvals.request(
        binding(ruling),
        ruling.document,
        ruling.decision,
        ruling.id,
        rationale,
        scope=scope_of(ruling.call, ruling.document.facts),
    )
    if found.state != "pending":  # decided between two looks at it; the next try finds that
        words = f"{words} Approval {found.id} is {found.state} by now: issue the call again."
        return denied(ruling, "nobody", words.strip())
    if found.kind == "question":
        told = (
            f"{words} The question waits for a person: pending, approval {found.id}. Go on with what does not need the "
            "answer, or stop here. Once it is answered, asking the very same again gives the answer."
        )
    else:
        told = (
            f"{words} This call is denied for now: pending, approval {found.id}. A person has to decide on it; do not "
            "work around it. Go on with what does not need it, or stop here. Once it is approved, the very same call "
            "runs, once."
        )
    return msgspec.structs.replace(denied(ruling, "nobody", told.strip()), pending=found.id)


def withdraw(approvals: Approvals, ruling: Ruling, reason: str) -> None:
    """Void whatever live approval there is of a call that was decided otherwise."""
    found = approvals.latest(binding(ruling))
    if found is not None:
        approvals.supersede(found.id, reason)


def _over(found: Approval, ruling: Ruling) -> bool:
    """A rejection holds as long as the approval could have been decided; after that the call may be asked again."""
    from datetime import datetime

    return datetime.fromisoformat(ruling.document.context.time).timestamp() >= found.expires_at


def denied(ruling: Ruling, by: str, message: str) -> Outcome:
    """The call does not run, and why."""
    return Outcome(allowed=False, input={}, message=message, ruling=ruling, by=by)
