"""``hitl-opa rate``: how much people trust an agent, in their own words."""

from __future__ import annotations

from pathlib import Path

import click

from hitl_opa.audit import UNNAMED
from hitl_opa.cli.options import config_option
from hitl_opa.cli.output import say
from hitl_opa.cli.person import login
from hitl_opa.cli.settings import load_settings
from hitl_opa.guard.opening import open_audit
from hitl_opa.metrics.survey import SCORES
from hitl_opa.terminal.text import spans


@click.command()
@click.argument("score", type=click.Choice([str(score) for score in SCORES]))
@click.option("--agent", help="Which agent.  [default: the settings' agent]")
@click.option("--note", default="", help="Why.")
@config_option
def rate(score: str, agent: str | None, note: str, config: Path | None) -> None:
    """Say how much you trust an agent: 1 not at all, 5 fully. `hitl-opa metrics` shows what people said.

    It changes nothing: levels are earned by what people decide, and never by what they say.

    \b
    hitl-opa rate 4 --note "good with tests, careless with migrations"
    """
    from hitl_opa.metrics import survey

    settings = load_settings(config)
    name = agent or settings.agent or UNNAMED
    with open_audit(settings) as audit:
        survey.rate(audit, login(), name, int(score), note)
    say(*spans(f"recorded: {score} of 5 for {name}"))
