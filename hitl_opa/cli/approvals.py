"""``hitl-opa approvals``: decide on the calls that wait for a person."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from hitl_opa.approvals import CATEGORIES, Approval, Query, State
from hitl_opa.approvals.approval import ORDERS
from hitl_opa.approvals.events import seen
from hitl_opa.approvals.shown import brief, full
from hitl_opa.approvals.states import LIVE
from hitl_opa.cli.approvals_prune import prune
from hitl_opa.cli.calls import fields_of
from hitl_opa.cli.options import options
from hitl_opa.cli.output import emit, say
from hitl_opa.cli.person import login, person
from hitl_opa.cli.record import must_exist
from hitl_opa.cli.telling_approvals import tell, tell_change, tell_list, tell_said
from hitl_opa.config import load_config
from hitl_opa.errors import ApprovalError
from hitl_opa.guard.functions import duration
from hitl_opa.guard.opening import open_approvals, open_audit
from hitl_opa.terminal.text import Span, spans

if TYPE_CHECKING:
    from hitl_opa.approvals.approvals import Approvals

POLL = 1.0  # seconds between two looks of `watch`
_OPEN = LIVE | {State.EXECUTING, State.UNKNOWN}


@click.group(short_help="Decide on the calls that wait for a person.")
def approvals() -> None:
    """Calls that policy asks about and nobody was there to answer. Needs `durable: true` in the settings.

    \b
    hitl-opa approvals list            what waits
    hitl-opa approvals show 3f2a       what the call does, and why it is asked
    hitl-opa approvals approve 3f2a    the agent's next equal call runs, once
    hitl-opa approvals edit 3f2a command='make -n deploy'
    hitl-opa approvals reject 3f2a --reason 'Not on a Friday.'
    hitl-opa approvals watch           what happens, as it happens

    You act under your login, with your Unix groups; both go on record. Policy says whose word counts.
    """


def _filters(command: Any) -> Any:
    for option in (
        click.option("--session", default="", help="Of this session."),
        click.option("--risk", default="", help="Of this risk."),
        click.option("--tool", default="", help="Of this tool."),
        click.option("--agent", default="", help="Of this agent."),
        click.option("--text", default="", help="In which these words stand."),
        click.option(
            "--state", "states", multiple=True, type=click.Choice([str(s) for s in State]), help="In this state."
        ),
        click.option("--all", "everything", is_flag=True, help="Those that are over, too."),
    ):
        command = option(command)
    return command


def _category(command: Any) -> Any:
    return click.option("--category", type=click.Choice(CATEGORIES), help="What was wrong.  [asked for at a terminal]")(
        command
    )


def _query(everything: bool, states: tuple[str, ...], **fields: Any) -> Query:
    named = frozenset(State(s) for s in states) or (frozenset() if everything else _OPEN)
    return Query(states=named, **fields)


@approvals.command("list")
@_filters
@click.option("--order", type=click.Choice(ORDERS), default="newest", show_default=True, help="What comes first.")
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1, 10_000), help="At most so many.")
@options
def list_(as_json: bool, config: Path | None, **filters: Any) -> None:
    """What waits to be decided, to be used, or to be found out about."""
    with opened(config) as book:
        found = book.search(_query(**filters))
    if as_json:
        emit([brief(approval) for approval in found])
    elif found:
        tell_list(found)
    else:
        say("There are no approvals yet." if filters["everything"] else "Nothing waits.")


@approvals.command()
@click.argument("which", metavar="ID")
@options
def show(which: str, as_json: bool, config: Path | None) -> None:
    """What the call does, why it is asked, and who said what so far. ID may be its first characters."""
    with opened(config) as book:
        found = book.view(book.get(which).id, person())
    emit(full(found)) if as_json else tell(found)


@approvals.command()
@click.argument("which", metavar="ID")
@click.option("--reason", default="", help="Words for the agent.")
@click.option("--yes", is_flag=True, help="Do not ask back. Not for calls that take a typed phrase.")
@click.option("--grant", metavar="TIME", help="Let equal calls pass too, so long: 30m, 8h, 7d at most.")
@click.option("--uses", default=0, type=click.IntRange(0), help="With --grant: at most so often.  [default: no limit]")
@click.option("--alike", is_flag=True, help="With --grant: calls too that do no more than this one.")
@options
def approve(
    which: str,
    reason: str,
    yes: bool,
    grant: str | None,
    uses: int,
    alike: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Let the call run once, when the agent issues it again. Shows it first, and asks back."""
    if grant is None and (uses or alike):
        raise click.UsageError("--uses and --alike say what --grant is for")
    seconds = 0.0 if grant is None else duration(grant)
    with opened(config) as book:
        found = _pending(book, which)
        if found.kind == "question":
            raise ApprovalError("a question is not approved: hitl-opa approvals answer")
        tell(found, err=as_json)
        looked = _agreed(found, "Approve this call?", yes)
        found = book.vote(
            found.id, person(), approves=True, reason=reason, channel="cli", look_ms=looked, seen=seen(found)
        )
        given = book.grant(found.id, person(), seconds=seconds, uses=uses, alike=alike) if seconds else None
    _said(found, as_json)
    if given is not None:
        say(*spans(f"grant {given.id}: until revoked, used up or over (`hitl-opa grants list`)"), err=as_json, indent=2)


@approvals.command()
@click.argument("which", metavar="ID")
@click.option("--reason", default="", help="Words for the agent.")
@_category
@options
def reject(which: str, reason: str, category: str | None, as_json: bool, config: Path | None) -> None:
    """Do not let the call run; the reason reaches the agent."""
    with opened(config) as book:
        found = book.get(which)
        found = book.vote(found.id, person(), approves=False, reason=reason, category=_wrong(category), channel="cli")
    _said(found, as_json)


@approvals.command()
@click.argument("which", metavar="ID")
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE ... | JSON]")
@click.option("--reason", default="", help="Words for the agent.")
@click.option("--yes", is_flag=True, help="Do not ask back. Not for calls that take a typed phrase.")
@_category
@options
def edit(
    which: str,
    fields: tuple[str, ...],
    reason: str,
    yes: bool,
    category: str | None,
    as_json: bool,
    config: Path | None,
) -> None:
    """Approve another input than the asked one; policy decides on it first.

    FIELD=VALUE changes one field of the input, JSON replaces it all; without either your editor opens.
    """
    with opened(config) as book:
        found = _pending(book, which)
        before: dict[str, Any] = found.edited or found.document["call"]["input"]
        after = _edited(found.tool, fields, before)
        if after == before:
            raise ApprovalError("nothing was changed: use `hitl-opa approvals approve`")
        say(*_input(before), err=True)
        say(Span("becomes", "dim"), err=True)
        say(*_input(after), err=True)
        looked = _agreed(found, "Approve this instead?", yes)
        found = book.edit(
            found.id,
            person(),
            after,
            reason=reason,
            category=_wrong(category),
            channel="cli",
            look_ms=looked,
            seen=seen(found),
        )
    _said(found, as_json)


@approvals.command()
@click.argument("which", metavar="ID")
@click.argument("answers", nargs=-1, metavar="[ANSWER ...]")
@options
def answer(which: str, answers: tuple[str, ...], as_json: bool, config: Path | None) -> None:
    """Answer the agent's questions, one ANSWER each in their order; without, you are asked."""
    with opened(config) as book:
        found = _pending(book, which)
        asked = [q for q in found.document["call"]["input"].get("questions", []) if isinstance(q, dict)]
        if found.kind == "question" and not answers:
            answers = tuple(_ask(question) for question in asked)
        if found.kind == "question" and len(answers) != len(asked):
            raise click.UsageError(f"there are {len(asked)} questions, and {len(answers)} answers")
        said = {str(q.get("question", "")): a for q, a in zip(asked, answers, strict=False)}
        found = book.answer(found.id, person(), said, channel="cli")
    _said(found, as_json)


@approvals.command()
@click.argument("which", metavar="ID")
@click.option("--reason", default="", help="Why, for the record.")
@options
def cancel(which: str, reason: str, as_json: bool, config: Path | None) -> None:
    """Withdraw what waits, or what was approved and not used yet."""
    with opened(config) as book:
        found = book.cancel(book.get(which).id, login(), reason)
    _said(found, as_json)


@approvals.command()
@click.argument("which", metavar="[ID]", required=False)
@click.argument("outcome", type=click.Choice(["executed", "failed"]), required=False)
@click.option("--note", default="", help="How you know, for the record.")
@options
def reconcile(which: str | None, outcome: Any, note: str, as_json: bool, config: Path | None) -> None:
    """Say how a call ended whose process never did; without ID, list those.

    Look first whether it had its effect: nobody else will.
    """
    with opened(config) as book:
        if which is None:
            book.tick()
            found = book.search(Query(states=frozenset({State.UNKNOWN, State.EXECUTING})))
        elif outcome is None:
            raise click.UsageError("say how it ended: executed or failed")
        else:
            found = [book.reconcile(book.get(which).id, person(), outcome, note)]
    if as_json:
        emit([brief(one) for one in found])
    elif which is not None:
        tell_said(found[0])
    elif found:
        tell_list(found)
    else:
        say("Every call that was let through has reported back.")


@approvals.command()
@_filters
@click.option("--for", "seconds", type=click.FloatRange(0), help="Stop after so many seconds.  [default: never]")
@options
def watch(seconds: float | None, as_json: bool, config: Path | None, **filters: Any) -> None:
    """What waits, then whatever happens to it, a line each as it happens. With --json a line is an object."""
    query = _query(**{**filters, "everything": True, "states": ()})
    first = _query(**filters)
    end = None if seconds is None else time.monotonic() + seconds
    with opened(config) as book:
        known = {a.id: _mark(a) for a in book.search(query)}
        for approval in reversed(book.search(first)):
            _changed(approval, as_json)
        while end is None or time.monotonic() < end:
            _wait(POLL if end is None else max(min(POLL, end - time.monotonic()), 0))
            for approval in reversed(book.search(query)):
                if known.get(approval.id) != _mark(approval):
                    known[approval.id] = _mark(approval)
                    _changed(approval, as_json)


def _wait(seconds: float) -> None:
    time.sleep(seconds)


def _mark(approval: Approval) -> tuple[Any, ...]:
    return (approval.state, len(approval.votes), approval.edited, approval.escalated)


def _changed(approval: Approval, as_json: bool) -> None:
    emit(brief(approval)) if as_json else tell_change(approval)
    sys.stdout.flush()


approvals.add_command(prune)


@contextmanager
def opened(config: Path | None) -> Iterator[Approvals]:
    """The approvals of these settings."""
    settings = load_config(config)
    if settings.durable:
        must_exist(settings.record)
    with open_audit(settings) as audit:
        yield open_approvals(settings, audit)


def _pending(book: Approvals, which: str) -> Approval:
    found = book.get(which)
    if found.state is not State.PENDING:
        raise ApprovalError(f"approval {found.id} is {found.state} already")
    return found


def _agreed(approval: Approval, question: str, yes: bool) -> float:
    """Ask back, and end here unless they agree. Returns how long that took, in milliseconds."""
    started = time.monotonic()
    if approval.terms.permission == "approve":
        phrase = f"approve {approval.tool}"
        said = click.prompt(f"Type  {phrase}  to approve", default="", show_default=False, err=True)
        agreed = said == phrase
    else:
        agreed = yes or click.confirm(question, err=True)
    if not agreed:
        say(Span("not approved", "yellow"), "  It goes on waiting.", err=True)
        sys.exit(1)
    return round((time.monotonic() - started) * 1000, 1)


def _wrong(category: str | None) -> str:
    """What was wrong with the call: one key at a terminal, where it was not said."""
    if category is not None or not sys.stdin.isatty():
        return category or ""
    choices = "  ".join(f"{n} {name}" for n, name in enumerate(CATEGORIES, 1))
    say(f"What was wrong?  {choices}  other keys: none of these", err=True)
    key = click.getchar()
    return CATEGORIES[int(key) - 1] if key.isdigit() and 0 < int(key) <= len(CATEGORIES) else ""


def _edited(tool: str, fields: tuple[str, ...], before: dict[str, Any]) -> dict[str, Any]:
    if fields:
        given = fields_of(tool, fields)
        return given if fields[0].lstrip().startswith("{") else {**before, **given}
    text = click.edit(msgspec.json.format(msgspec.json.encode(before), indent=2).decode(), extension=".json")
    if text is None:
        return before
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ApprovalError(f"that is no JSON object: {error}") from None


def _input(given: dict[str, Any]) -> list[Span]:
    return [Span("  "), *spans(msgspec.json.encode(given).decode())]


def _ask(question: dict[str, Any]) -> str:
    say(*spans(str(question.get("question", "")), "bold"), err=True)
    labels = [str(o.get("label", "")) for o in question.get("options", []) if isinstance(o, dict)]
    for number, label in enumerate(labels, 1):
        say(Span(f"{number}  "), *spans(label), err=True, indent=2)
    said: str = click.prompt("Number, or words of your own" if labels else "Answer", err=True)
    return labels[int(said) - 1] if said.isdigit() and 0 < int(said) <= len(labels) else said


def _said(approval: Approval, as_json: bool) -> None:
    emit(brief(approval)) if as_json else tell_said(approval)
