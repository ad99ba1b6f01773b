"""``hitl-opa audit``: read the record, and check that nobody changed it."""

from __future__ import annotations

import sys
from typing import Any

import click

from hitl_opa.cli.audit_erase import erase, prune
from hitl_opa.cli.audit_export import export, search
from hitl_opa.cli.audit_keys import checkpoint, key
from hitl_opa.cli.audit_proofs import prove, show_report, verify
from hitl_opa.cli.audit_rows import details, fields, row
from hitl_opa.cli.output import emit, working
from hitl_opa.cli.record import chosen, filters, moment, open_record, place


@click.group(short_help="Read the record, and check that nobody changed it.")
def audit() -> None:
    """The record: who decided what, when, on which input, and how it ended.

    \b
    hitl-opa audit tail --verdict deny      the last calls that were denied
    hitl-opa audit tail --follow            watch an agent at work
    hitl-opa audit show 3f2a                everything about one call
    hitl-opa audit verify                   has anybody changed the record?
    hitl-opa audit prove 3f2a -o proof      show it to somebody who has only the public key
    """


@audit.command()
@click.option("-n", "count", default=20, show_default=True, type=click.IntRange(0), help="How many records.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new ones as they come; Ctrl-C ends it.")
@filters
@place
def tail(count: int, follow: bool, as_json: bool, **options: Any) -> None:
    """The last records, oldest first."""
    only = chosen(options)
    with open_record(**options) as log:
        try:
            for record in log.tail(count, follow=follow, only=only):
                emit(fields(record)) if as_json else row(record)
                if follow:
                    sys.stdout.flush()
        except KeyboardInterrupt:
            return


@audit.command()
@click.argument("which", metavar="ID")
@place
def show(which: str, as_json: bool, **place: Any) -> None:
    """Everything about one call: its decision, its review, its outcome.

    ID is the start of a decision's id, as `audit tail` prints it, or the id of the call.
    """
    with open_record(**place) as log, working("Reading the record"):
        found = log.about(which)
    if as_json:
        emit([fields(record) for record in found])
        return
    for record in found:
        details(record)


for _command in (verify, prove, search, export, checkpoint, key, erase, prune):
    audit.add_command(_command)

__all__ = ["audit", "moment", "open_record", "show_report"]
