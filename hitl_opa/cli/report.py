"""``hitl-opa report``: one agent's oversight record, for people who have to answer for it."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import click

from hitl_opa.audit import UNNAMED
from hitl_opa.cli.options import config_option
from hitl_opa.cli.output import say, working
from hitl_opa.cli.record import TIME, moment, open_record
from hitl_opa.config import load_config
from hitl_opa.errors import ConfigError
from hitl_opa.guard.opening import open_trust
from hitl_opa.terminal.text import Span


@click.command()
@click.option("--agent", help="Whose, as `hitl-opa metrics --by agent` names it.  [default: the settings']")
@click.option("--since", metavar="TIME", help=f"Only calls from this time on: {TIME}, or 90d.")
@click.option("--until", metavar="TIME", help="Only what was recorded before this time.")
@click.option("--format", "form", type=click.Choice(["html", "markdown"]), default="html", show_default=True)
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="A file.  [default: standard output]"
)
@click.option("--no-verify", is_flag=True, help="Do not check the record for changes first.")
@click.option("--db", metavar="FILE|URL", help="The record's database.  [default: the settings']")
@config_option
def report(
    agent: str | None,
    since: str | None,
    until: str | None,
    form: str,
    out: Path | None,
    no_verify: bool,
    db: str | None,
    config: Path | None,
) -> None:
    """One agent's oversight record: what it did, who looked, what they said, what came of it.

    \b
    hitl-opa report --agent billing-bot --since 90d -o billing-bot.html
    hitl-opa report --agent billing-bot --format markdown -o billing-bot.md    charts become files beside it

    What calls contained is not in it. The record is checked for changes first, and the report says what
    that found.
    """
    from hitl_opa.oversight import as_html, as_markdown, gather

    settings = load_config(config)
    agent = agent or settings.agent or UNNAMED
    with working("Reading the record"), open_record(config=config, db=db) as log:
        found = gather(
            log.records(),
            agent=agent,
            config=settings,
            since=_utc(since, "since"),
            until=_utc(until, "until"),
            report=None if no_verify else open_trust(settings).verify(log),
        )
    if not found.measures.calls:
        raise ConfigError(
            f"the record has no calls of {agent!r} in this time: hitl-opa metrics --by agent names agents"
        )
    text, charts = as_markdown(found, out.stem if out else "") if form == "markdown" else (as_html(found), {})
    if out is None:
        click.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    for name, svg in charts.items():
        out.with_name(name).write_text(svg, encoding="utf-8")
    say(Span("written", "green"), f"  {', '.join([out.name, *charts])}: {found.measures.calls:,} calls of {agent}")


def _utc(text: str | None, option: str) -> str:
    found = moment(text, option)
    return (
        found if isinstance(found, str) else found.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )
