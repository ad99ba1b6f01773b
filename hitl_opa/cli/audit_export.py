"""``hitl-opa audit export`` and ``search``."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from hitl_opa.cli.audit_rows import row
from hitl_opa.cli.output import emit, say
from hitl_opa.cli.record import chosen, filters, open_record, place
from hitl_opa.errors import ConfigError

FORMATS = ["jsonl", "csv", "opa", "otel"]


@click.command()
@click.option("--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True)
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="A file.  [default: standard output]"
)
@filters
@place
def export(form: str, out: Path | None, **options: Any) -> None:
    """The record as text.

    \b
    jsonl   every record and checkpoint; `audit verify FILE` checks it alone
    csv     a line a record, without payloads
    opa     OPA's decision-log events, decisions only, a line each
    otel    OpenTelemetry logs (OTLP as JSON), a line each thousand
    """
    from hitl_opa.audit import formats

    only = chosen(options)
    options.pop("as_json")
    if form == "jsonl" and only.named():
        raise ConfigError("an export that verifies alone holds every record: leave out the filters, or use --format")
    with open_record(**options) as log, out.open("w", encoding="utf-8") if out else nullcontext(sys.stdout) as file:
        match form:
            case "csv":
                formats.csv_lines(log.records(only), file)
                return
            case "opa":
                lines = formats.opa_events(log.records(only))
            case "otel":
                lines = formats.otel_logs(log.records(only))
            case _:
                lines = log.export()
        for line in lines:
            file.write(line + "\n")


@click.command()
@click.argument("text", required=False, default="")
@click.option("-n", "count", default=50, show_default=True, type=click.IntRange(1), help="At most so many, the latest.")
@filters
@place
def search(text: str, count: int, as_json: bool, **options: Any) -> None:
    """Records that hold TEXT somewhere, capitals or not, oldest first."""
    from hitl_opa.cli.audit_rows import fields

    only = chosen(options, text)
    found = 0
    with open_record(**options) as log:
        for record in log.tail(count, only=only):
            emit(fields(record)) if as_json else row(record)
            found += 1
    if not found and not as_json:
        say("nothing on record fits")
