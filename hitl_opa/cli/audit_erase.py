"""``hitl-opa audit erase`` and ``prune``: payloads go, what they were stays proven."""

from __future__ import annotations

import getpass
from typing import Any

import click

from hitl_opa.audit import Filter
from hitl_opa.cli.output import emit, say, working
from hitl_opa.cli.record import TIME, chosen, filters, moment, open_record, open_to_write, place
from hitl_opa.errors import ConfigError
from hitl_opa.terminal.text import Span


def _erasing(command: Any) -> Any:
    for option in (
        click.option("--reason", default="", help="Why; it is recorded."),
        click.option("--by", default=getpass.getuser, help="Who erases; it is recorded.  [default: you]"),
        click.option("--dry-run", is_flag=True, help="Only count."),
        click.option("-y", "--yes", is_flag=True, help="Do not ask."),
    ):
        command = option(command)
    return command


_COPIES = (
    "copies may be left: of a file, in the write-ahead log while somebody reads (run it again later); on a server, "
    "in its log and backups until those are gone"
)


@click.command()
@click.option("--decision", "decision_id", help="Only the records of this decision (how its id starts).")
@filters
@_erasing
@place
def erase(**options: Any) -> None:
    """Erase what was recorded of a session, a principal …; that it was recorded stays proven.

    Input documents, results, comments and errors go for good, and with them what approvals, messages and transcripts
    of the same sessions hold of them; what waits is withdrawn. What stays is in the leaf: times, the names
    of tool, session, agent, principal and reviewer, verdicts, rules and digests. The erasure is recorded.
    """
    only = chosen(options)
    if not only.named():
        raise ConfigError("say what to erase: --session, --principal, --before …")
    _erase(only, **options)


@click.command()
@click.option("--before", required=True, metavar="TIME", help=f"Older than this: {TIME}, or 400d.")
@_erasing
@place
def prune(before: str, **options: Any) -> None:
    """Erase the payloads of old records: retention. What they were stays proven."""
    _erase(Filter(before=moment(before, "before")), **options)


def _erase(only: Filter, reason: str, by: str, dry_run: bool, yes: bool, as_json: bool, **place: Any) -> None:
    from hitl_opa.audit.erasure import erase

    if dry_run or not yes:
        with open_record(**place) as log, working("Reading the record"):
            found = sum(record.payload is not None for record in log.records(only))
        if dry_run:
            emit({"payloads": found}) if as_json else say(f"{found} payload(s) would be erased")
            return
        click.confirm(f"Erase {found} payload(s) for good?", abort=True)
    with open_to_write(**place) as log, working("Erasing"):
        from hitl_opa.approvals.copies import Copies
        from hitl_opa.approvals.store import Store

        done = erase(log, only, by=by, reason=reason, within=Copies(Store(log), only).within)
    if as_json:
        emit({"payloads": done.count, "copies": done.copies, "scrubbed": done.scrubbed})
        return
    besides = f" and {done.copies} copies in approvals and transcripts" if done.copies else ""
    say(Span("erased", "green"), f"  {done.count} payload(s){besides}; what they were stays proven")
    if not done.scrubbed:
        say(Span("! ", "yellow"), _COPIES, indent=2)
