"""Approvals as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from hitl_opa.approvals.approval import Approval
from hitl_opa.approvals.states import State
from hitl_opa.cli import output
from hitl_opa.cli.output import heading, say, table
from hitl_opa.cli.telling import tell_facts, tell_rules, tell_verdict
from hitl_opa.cli.watch import what
from hitl_opa.model import Decision, Document
from hitl_opa.terminal.text import Line, Span, block, spans

SHORT = 8  # characters of an id
_STYLES = {"pending": "yellow", "approved": "green", "executed": "green", "executing": "yellow", "unknown": "danger"}


def tell_list(found: list[Approval]) -> None:
    """A line each."""
    table(
        ["approval", "state", "risk", "asked", "call"],
        [
            [
                approval.id[:SHORT],
                state(approval),
                [output.risk(approval.risk)],
                time(approval.requested_at),
                spans(f"{approval.tool}  {short(approval)}"),
            ]
            for approval in found
        ],
    )


def tell(approval: Approval, *, err: bool = False) -> None:
    """Everything a person needs to decide; with ``err`` one line, as standard output is for JSON."""
    if err:
        say(*spans(f"{approval.tool}  {short(approval)}"), err=True)
        return
    shown = approval.shown
    document, decision = msgspec.convert(shown[0], Document), msgspec.convert(shown[1], Decision)
    say(Span(f"approval {approval.id}  "), *state(approval))
    if approval.state in (State.EXECUTING, State.UNKNOWN):
        say(
            Span("outcome unknown  ", "danger"),
            f"Used at {time(approval.started_at)}, and no outcome is on record: the call may be running, or its "
            "process died. Look whether it had its effect, and say so with `hitl-opa approvals reconcile`.",
            indent=2,
        )
    say(Span("for     ", "dim"), *spans(f"{approval.principal or 'nobody named'}, session {approval.session or '-'}"))
    _tell_terms(approval)
    _disclose(approval)
    for vote in approval.votes:
        word = Span("approve ", "green") if vote.approves else Span("reject  ", "red")
        said = f": {vote.reason}" if vote.reason else ""
        category = f" ({vote.category})" if vote.category else ""
        say(word, *spans(f"by {vote.reviewer}{category}{said}"))
    if approval.reason and not approval.votes:
        say(Span("because ", "dim"), *spans(approval.reason))
    heading(f"{approval.tool}, in {document.context.cwd}")
    if approval.edit is not None:
        say(Span("asked for", "dim"))
        _tell_input(approval.document.get("call", {}).get("input", {}))
        say(*spans(f"{approval.edit.by} wants instead"))
    _tell_input(document.call.input)
    for question, answer in (approval.answers or {}).items():
        say(*spans(f"{question}  ", "dim"), *spans(answer, "bold"), indent=2)
    if approval.rationale:
        say(Span("the agent's own words, unverified: ", "dim"), *spans(approval.rationale), indent=2)
    heading("What policy says")
    tell_verdict(decision)
    tell_facts(document)
    tell_rules(decision)


def tell_said(approval: Approval) -> None:
    """What came of a word on it."""
    say(*state(approval), Span(f"  approval {approval.id}"))
    _disclose(approval)
    if approval.state is State.PENDING:
        given = sum(vote.approves for vote in approval.votes)
        say(f"{given} of {approval.terms.quorum}: it waits for more people.", indent=2)
    if approval.state is State.APPROVED:
        until = time(approval.execution_expires_at)
        if approval.kind == "question":
            say(f"The agent gets the answer if it asks again by {until}.", indent=2)
        else:
            say(f"The call runs once if the agent issues it again by {until}.", indent=2)


def tell_change(approval: Approval) -> None:
    """One line, for a list that goes on."""
    who = f"  by {approval.reviewers}" if approval.reviewers else ""
    say(
        Span(f"{datetime.now(UTC):%H:%M:%S}Z  ", "dim"),
        Span(f"{approval.id[:SHORT]}  "),
        *state(approval),
        Span("  "),
        output.risk(approval.risk),
        *spans(f"  {approval.tool}  {short(approval)}{who}"),
    )


def state(approval: Approval) -> Line:
    if approval.disclosed:
        return [Span("planted", "dim")]
    shown = "executing?" if approval.state is State.EXECUTING else str(approval.state)
    return [Span(shown, _STYLES.get(approval.state, "dim"))]


def _disclose(approval: Approval) -> None:
    if approval.disclosed:
        missed = any(vote.approves for vote in approval.votes)
        say(*spans(approval.disclosed, "danger" if missed else ""), indent=2)


def short(approval: Approval) -> str:
    """The call's input in a few words."""
    document = approval.shown[0]
    call, context = document.get("call", {}), document.get("context", {})
    return what(call.get("input", {}), context.get("cwd", ""))


def time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}Z"


def _tell_terms(approval: Approval) -> None:
    terms = approval.terms
    if approval.state is State.PENDING:
        say(Span("until   ", "dim"), time(approval.expires_at))
    if approval.state is State.APPROVED:
        say(Span("use by  ", "dim"), time(approval.execution_expires_at))
    of = f" of {', '.join(terms.approvers)}" if terms.approvers else ""
    say(Span("needs   ", "dim"), *spans(f"{terms.quorum} approval(s){of}"))
    if approval.escalated:
        say(Span("asked too ", "dim"), *spans(", ".join(approval.escalated_to)))


def _tell_input(given: dict[str, Any]) -> None:
    for line in block(msgspec.json.format(msgspec.json.encode(given), indent=2).decode()):
        say(*line, indent=2)
