"""``hitl-opa grants``: what people allowed for a time without being asked each time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from hitl_opa.approvals.grant import Grant
from hitl_opa.cli.approvals import opened
from hitl_opa.cli.options import options
from hitl_opa.cli.output import emit, say, table
from hitl_opa.cli.person import login
from hitl_opa.cli.telling_approvals import SHORT, time
from hitl_opa.errors import ApprovalError
from hitl_opa.terminal.text import Span, spans


@click.group(short_help="What people allowed for a time.")
def grants() -> None:
    """Standing grants. One is given with an approval, and policy lifts with it what asked then and nothing else:
    no floor, nothing critical, no denial.

    \b
    hitl-opa approvals approve 3f2a --grant 8h --uses 20         calls equal to this one
    hitl-opa approvals approve 3f2a --grant 8h --alike           calls that do no more than this one
    hitl-opa grants list
    hitl-opa grants revoke 91bc
    """


@grants.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@options
def list_(everything: bool, as_json: bool, config: Path | None) -> None:
    """The grants in force, newest first."""
    with opened(config) as book:
        found = book.grants.listed(_now(), everything=everything)
    if as_json:
        emit([_shown(grant) for grant in found])
        return
    if not found:
        say("There are no grants." if everything else "No grant is in force.")
        return
    rows = [
        [grant.id[:SHORT], _state(grant), grant.principal, time(grant.expires_at), _uses(grant), _covers(grant)]
        for grant in found
    ]
    table(["grant", "state", "for", "until", "uses", "covers"], rows)


@grants.command()
@click.argument("which", metavar="ID")
@options
def show(which: str, as_json: bool, config: Path | None) -> None:
    """What a grant covers and lifts, who gave it. ID may be its first characters."""
    with opened(config) as book:
        found = book.grants.get(which)
    if as_json:
        emit(_shown(found))
        return
    say(Span(f"grant {found.id}  "), Span(_state(found)))
    for label, text in (
        ("by", f"{found.reviewer}, {time(found.granted_at)}"),
        (
            "for",
            f"{found.principal or 'nobody named'}, {'session ' + found.session if found.session else 'any session'}",
        ),
        ("until", time(found.expires_at)),
        ("uses", _uses(found)),
        ("covers", _covers(found)),
        ("lifts", ", ".join(found.waives)),
        ("from", f"approval {found.approval}" if found.approval else f"decision {found.decision_id}"),
    ):
        say(Span(f"{label:8}", "dim"), *spans(text), hanging=8)


@grants.command()
@click.argument("which", metavar="ID")
@options
def revoke(which: str, as_json: bool, config: Path | None) -> None:
    """End a grant now; what it let pass already stays so."""
    with opened(config) as book:
        found = book.grants.get(which)
        if not book.grants.revoke(found.id, login(), _now()):
            raise ApprovalError(f"grant {found.id} is {_state(found)} already")
        found = book.grants.get(found.id)
    if as_json:
        emit(_shown(found))
    else:
        say(Span("revoked", "green"), Span(f"  grant {found.id}"))


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _shown(grant: Grant) -> dict[str, Any]:
    return {**msgspec.to_builtins(grant), "state": _state(grant)}


def _state(grant: Grant) -> str:
    if grant.holds(_now()):
        return "in force"
    if grant.revoked_at:
        return "revoked"
    return "used up" if 0 < grant.max_uses <= grant.uses else "expired"


def _uses(grant: Grant) -> str:
    return f"{grant.uses} of {grant.max_uses}" if grant.max_uses else str(grant.uses)


def _covers(grant: Grant) -> str:
    who = grant.tool or "any tool"
    if grant.kind == "equal":
        return f"{who}: calls equal to the one that was approved"
    effects = "; ".join(f"{e.verb} {e.type} {e.place} {e.under}".strip() for e in grant.effects)
    return f"{'a plan' if grant.kind == 'plan' else who}: {effects}"
