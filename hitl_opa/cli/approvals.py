"""``hitl-opa approvals``: decide on the calls that wait for a person."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from hitl_opa.approvals.approval import Person
from hitl_opa.approvals.states import LIVE, State
from hitl_opa.cli import output
from hitl_opa.cli.output import emit, heading, say, table
from hitl_opa.cli.telling import tell_facts, tell_rules, tell_verdict
from hitl_opa.cli.watch import what
from hitl_opa.config import load_config
from hitl_opa.errors import ApprovalError, AuditError
from hitl_opa.guard.opening import open_approvals, open_audit
from hitl_opa.model import Decision, Document
from hitl_opa.terminal.text import Line, Span, block, spans

if TYPE_CHECKING:
    from hitl_opa.approvals.approval import Approval
    from hitl_opa.approvals.approvals import Approvals

_SHORT = 8  # characters of an id
_STYLES = {"pending": "yellow", "approved": "green", "executed": "green", "executing": "yellow", "unknown": "danger"}


@click.group(short_help="Decide on the calls that wait for a person.")
def approvals() -> None:
    """Calls that policy asks about and nobody was there to answer. Needs `durable: true` in the settings.

    \b
    hitl-opa approvals list            what waits
    hitl-opa approvals show 3f2a       what the call does, and why it is asked
    hitl-opa approvals approve 3f2a    the agent's next equal call runs, once
    hitl-opa approvals reject 3f2a --reason 'Not on a Friday.'

    You act under your login, with your Unix groups; both go on record.
    """


def _options(command: Any) -> Any:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--config", type=click.Path(path_type=Path), help="Settings.  [default: hitl.yaml, if present]"),
    ):
        command = option(command)
    return command


@approvals.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@_options
def list_(everything: bool, as_json: bool, config: Path | None) -> None:
    """What waits to be decided or to be used, newest first."""
    with _opened(config) as book:
        found = book.listed(frozenset(State) if everything else LIVE | {State.EXECUTING})
    if as_json:
        emit([_brief(approval) for approval in found])
        return
    if not found:
        say("Nothing waits." if not everything else "There are no approvals yet.")
        return
    table(
        ["approval", "state", "risk", "asked", "call"],
        [
            [
                approval.id[:_SHORT],
                _state(approval),
                [output.risk(approval.risk)],
                _time(approval.requested_at),
                spans(f"{approval.tool}  {_what(approval)}"),
            ]
            for approval in found
        ],
    )


@approvals.command()
@click.argument("which", metavar="ID")
@_options
def show(which: str, as_json: bool, config: Path | None) -> None:
    """What the call does, why it is asked, and who said what so far. ID may be its first characters."""
    with _opened(config) as book:
        found = book.get(which)
    emit(_full(found)) if as_json else _tell(found)


@approvals.command()
@click.argument("which", metavar="ID")
@click.option("--reason", default="", help="Words for the agent.")
@click.option("--yes", is_flag=True, help="Do not ask back. Not for calls that take a typed phrase.")
@_options
def approve(which: str, reason: str, yes: bool, as_json: bool, config: Path | None) -> None:
    """Let the call run once, when the agent issues it again. Shows it first, and asks back."""
    with _opened(config) as book:
        found = book.get(which)
        if found.state is not State.PENDING:
            raise ApprovalError(f"approval {found.id} is {found.state} already")
        _tell(found, err=as_json)
        phrase = f"approve {found.tool}" if found.terms.permission == "approve" else ""
        if phrase:
            said = click.prompt(f"Type  {phrase}  to approve", default="", show_default=False, err=True)
            agreed = said == phrase
        else:
            agreed = yes or click.confirm("Approve this call?", err=True)
        if not agreed:
            say(Span("not approved", "yellow"), "  It goes on waiting.", err=True)
            sys.exit(1)
        found = book.vote(found.id, _person(), approves=True, reason=reason, channel="cli")
    _said(found, as_json)


@approvals.command()
@click.argument("which", metavar="ID")
@click.option("--reason", default="", help="Words for the agent.")
@_options
def reject(which: str, reason: str, as_json: bool, config: Path | None) -> None:
    """Do not let the call run; the reason reaches the agent."""
    with _opened(config) as book:
        found = book.vote(book.get(which).id, _person(), approves=False, reason=reason, channel="cli")
    _said(found, as_json)


@approvals.command()
@click.argument("which", metavar="ID")
@click.option("--reason", default="", help="Why, for the record.")
@_options
def cancel(which: str, reason: str, as_json: bool, config: Path | None) -> None:
    """Withdraw what waits, or what was approved and not used yet."""
    with _opened(config) as book:
        found = book.cancel(book.get(which).id, _login(), reason)
    _said(found, as_json)


@contextmanager
def _opened(config: Path | None) -> Iterator[Approvals]:
    settings = load_config(config)
    if not settings.path(settings.audit).exists() and settings.durable:
        raise AuditError(f"{settings.path(settings.audit)}: there is no record yet; it starts with the first call")
    with open_audit(settings) as audit:
        yield open_approvals(settings, audit)


def _person() -> Person:
    """The system vouches for who runs this process, now."""
    return Person(name=_login(), groups=_groups(), auth="login", authenticated_at=datetime.now(UTC).timestamp())


def _login() -> str:
    """Who this process belongs to: what the system says, not the environment."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return getpass.getuser()


def _groups() -> frozenset[str]:
    try:
        import grp
    except ImportError:
        return frozenset()
    known = {group.gr_gid: group.gr_name for group in grp.getgrall()}
    return frozenset(known[gid] for gid in {os.getgid(), *os.getgroups()} if gid in known)


def _brief(approval: Approval) -> dict[str, Any]:
    """An approval as JSON; a call that was let through and never reported back has the outcome ``unknown``."""
    known = msgspec.to_builtins(approval)
    known["outcome"] = _outcome(approval.state)
    return {name: value for name, value in known.items() if name not in ("document", "decision")}


def _full(approval: Approval) -> dict[str, Any]:
    return {**_brief(approval), "document": approval.document, "decision": approval.decision}


def _outcome(state: State) -> str:
    return "unknown" if state is State.EXECUTING else str(state) if state in (State.EXECUTED, State.FAILED) else ""


def _state(approval: Approval) -> Line:
    shown = "executing?" if approval.state is State.EXECUTING else str(approval.state)
    return [Span(shown, _STYLES.get(approval.state, "dim"))]


def _what(approval: Approval) -> str:
    call, context = approval.document.get("call", {}), approval.document.get("context", {})
    return what(call.get("input", {}), context.get("cwd", ""))


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}Z"


def _tell(approval: Approval, *, err: bool = False) -> None:
    if err:  # standard output is for JSON
        say(*spans(f"{approval.tool}  {_what(approval)}"), err=True)
        return
    document, decision = msgspec.convert(approval.document, Document), msgspec.convert(approval.decision, Decision)
    say(Span(f"approval {approval.id}  "), *_state(approval))
    if approval.state is State.EXECUTING:
        say(
            Span("outcome unknown  ", "danger"),
            f"Used at {_time(approval.started_at)}, and no outcome is on record: the call may be running, or its "
            "process died. Look whether it had its effect.",
            indent=2,
        )
    say(Span("for     ", "dim"), *spans(f"{approval.principal or 'nobody named'}, session {approval.session or '-'}"))
    if approval.state is State.PENDING:
        say(Span("until   ", "dim"), _time(approval.expires_at))
    if approval.state is State.APPROVED:
        say(Span("use by  ", "dim"), _time(approval.execution_expires_at))
    terms = approval.terms
    say(
        Span("needs   ", "dim"),
        *spans(f"{terms.quorum} approval(s)" + (f" of {', '.join(terms.approvers)}" if terms.approvers else "")),
    )
    for vote in approval.votes:
        word = Span("approve ", "green") if vote.approves else Span("reject  ", "red")
        say(word, *spans(f"by {vote.reviewer}" + (f": {vote.reason}" if vote.reason else "")))
    if approval.reason and not approval.votes:
        say(Span("because ", "dim"), *spans(approval.reason))
    heading(f"{approval.tool}, in {document.context.cwd}")
    text = msgspec.json.format(msgspec.json.encode(document.call.input), indent=2).decode()
    for line in block(text):
        say(*line, indent=2)
    if approval.rationale:
        say(Span("the agent's own words, unverified: ", "dim"), *spans(approval.rationale), indent=2)
    heading("What policy says")
    tell_verdict(decision)
    tell_facts(document)
    tell_rules(decision)


def _said(approval: Approval, as_json: bool) -> None:
    if as_json:
        emit(_brief(approval))
        return
    say(*_state(approval), Span(f"  approval {approval.id}"))
    if approval.state is State.PENDING:
        given = sum(vote.approves for vote in approval.votes)
        say(f"{given} of {approval.terms.quorum}: it waits for more people.", indent=2)
    if approval.state is State.APPROVED:
        say(f"The call runs once if the agent issues it again by {_time(approval.execution_expires_at)}.", indent=2)
