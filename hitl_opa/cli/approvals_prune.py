"""``hitl-opa approvals prune``: what is over goes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from hitl_opa.cli.options import config_option, json_option
from hitl_opa.cli.output import emit, say, working
from hitl_opa.cli.person import login
from hitl_opa.cli.record import TIME, moment
from hitl_opa.terminal.text import Span


@click.command()
@click.option("--before", required=True, metavar="TIME", help=f"Over before then: {TIME}, or 90d.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask back.")
@json_option
@config_option
def prune(before: str, dry_run: bool, yes: bool, as_json: bool, config: Path | None) -> None:
    """Remove old approvals that are over, with their votes, messages and jobs, transcripts that nothing waits for, and
    ended logins.

    What waits, was approved and may still be used, or ended nobody knows how stays, however old. The record keeps who
    decided what: `hitl-opa audit prune` is for that.
    """
    from hitl_opa.approvals import retention
    from hitl_opa.audit import Event, Kind
    from hitl_opa.cli.approvals import opened

    limit = moment(before, "before")
    assert isinstance(limit, datetime)
    with opened(config) as book:
        if dry_run or not yes:
            count = retention.old(book.store, limit.timestamp())
            if dry_run:
                emit({"approvals": count}) if as_json else say(f"{count} approval(s) would be removed")
                return
            click.confirm(f"Remove {count} approval(s) for good?", abort=True, err=True)
        with working("Removing"):
            done = retention.prune(book.store, limit.timestamp())
        about = {"pruned": "approvals", "before": limit.isoformat(timespec="seconds"), "count": str(done.approvals)}
        book.store.audit.append(Event(kind=Kind.NOTE, reviewer=login(), extra=about))
    if as_json:
        emit(done)
        return
    say(
        Span("removed", "green"),
        f"  {done.approvals} approval(s), {done.letters} message(s), {done.transcripts} entries of transcripts, "
        f"{done.logins} login(s)",
    )
