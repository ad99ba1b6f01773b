"""``hitl-opa doctor``: whether everything that guards the agent is in place and works on this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from hitl_opa.cli import checks
from hitl_opa.cli.checks import Check
from hitl_opa.cli.checks_claude import claude_code
from hitl_opa.cli.checks_notify import jobs, notifications
from hitl_opa.cli.options import json_option
from hitl_opa.cli.output import emit, say, working
from hitl_opa.cli.settings import guard_options, load_settings
from hitl_opa.errors import HitlError
from hitl_opa.terminal.text import Span, spans

_STYLES = {"ok": "green", "warn": "yellow", "fail": "danger"}


@click.command(short_help="Whether everything is in place on this machine.")
@click.option("--cli", "with_cli", is_flag=True, help="Also prove with the real Claude Code CLI that a deny blocks.")
@json_option
@guard_options
def doctor(with_cli: bool, as_json: bool, **settings: Any) -> None:
    """Check the installation, engines, policies, clock, file permissions, the record, and the hooks of Claude Code.

    \b
    hitl-opa doctor           a few seconds
    hitl-opa doctor --cli     also runs the real CLI, offline, and has it try a call that is denied

    Exit code 1 if something fails; a warning is something that you should know.
    """
    found = []
    for check in run(settings, with_cli=with_cli):
        found.append(check)
        if not as_json:
            show(check)
    failed = sum(check.status == "fail" for check in found)
    warned = sum(check.status == "warn" for check in found)
    if as_json:
        emit({"ok": not failed, "checks": found})
    else:
        summary = f"{len(found) - failed - warned} fine, {warned} to know about, {failed} failed"
        say(Span(summary, "danger" if failed else "bold"))
    if failed:
        sys.exit(1)


def run(settings: dict[str, Any], *, with_cli: bool) -> Iterator[Check]:
    """Every check, each as soon as it is done; one that fails does not keep the others from running."""
    with working("Looking at the installation"):
        yield from list(checks.installation())
    yield checks.opa_tool()
    try:
        config = load_settings(**settings)
    except HitlError as error:
        yield Check(name="settings", status="fail", detail=str(error), remedy="hitl-opa init writes a good one")
        return
    source: Path | None = settings.get("config")
    yield from checks.engine(config)
    yield checks.clock(config)
    yield from checks.permissions(config, source)
    with working("Checking the record"):
        recorded = list(checks.record(config))
    yield from recorded
    yield from notifications(config)
    yield from jobs(config)
    yield from claude_code(config)
    yield checks.terminal()
    if with_cli:
        from hitl_opa.cli.proof import prove

        with working("Running the real CLI"):
            proofs: Iterable[Check] = list(prove(config))
        yield from proofs


def show(check: Check) -> None:
    say(Span(f"{check.status:5}", _STYLES[check.status]), f" {check.name:11} ", *spans(check.detail), hanging=18)
    if check.remedy:
        say(Span("do: " if check.status != "ok" else "", "dim"), *spans(check.remedy, "dim"), indent=18)
