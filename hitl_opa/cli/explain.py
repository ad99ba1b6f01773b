"""``hitl-opa explain``: why a call is decided as it is, and what would change that."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from hitl_opa.cli import output
from hitl_opa.cli.calls import adjusted, call_of, call_options
from hitl_opa.cli.output import emit, heading, say, verdict
from hitl_opa.cli.settings import ASIDE, guard_options, load_settings
from hitl_opa.cli.telling import tell_facts, tell_rules, tell_verdict
from hitl_opa.cli.whatif import Near, Variation, WhatIf
from hitl_opa.errors import ConfigError
from hitl_opa.guard import Guard
from hitl_opa.guard.opening import open_parts
from hitl_opa.model import Decision, Document
from hitl_opa.terminal.text import Line, Span, spans

MAX_NEAR = 8


@click.command(short_help="Why, what nearly happened, and what would change it.")
@call_options
@click.option("--id", "recorded", metavar="ID", help="Explain a call of the record, on the facts recorded then.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, the input document included.")
@guard_options
def explain(
    tool: str | None,
    fields: tuple[str, ...],
    recorded: str | None,
    as_json: bool,
    mode: str | None,
    confidence: float | None,
    unattended: bool,
    cwd: str | None,
    **settings: Any,
) -> None:
    """Explain a decision: the facts, every rule that fired, what was waived, what nearly fired, what would change it.

    \b
    hitl-opa explain Bash command='git push --force origin main'
    hitl-opa explain Write file_path=.env content=x --level 4
    hitl-opa explain --id 3f2a              a call of the record, judged by the policy of today

    What would change it is found by asking policy again with one thing different, never guessed.
    Nothing is executed, nothing is recorded.
    """
    if (recorded is None) == (tool is None):
        raise click.UsageError("give one TOOL with its fields, or --id of a recorded call")
    config = load_settings(**ASIDE, **settings)
    engine, audit, known = open_parts(config)
    guard = Guard(engine=engine, audit=audit, config=config, known=known)
    try:
        if recorded is None:
            call = call_of(str(tool), fields)
            given: dict[str, Any] = {"mode": mode, "confidence": confidence, "unattended": unattended, "cwd": cwd}
            ruling = guard.rule_sync(adjusted(call, **given))
            document, decision = ruling.document, ruling.decision
        else:
            document = _recorded(recorded, settings.get("config"), settings.get("level"))
            decision = WhatIf(engine, document).decide()
        if decision.reasons[0].pack == "guard":
            # the guard itself said no: policy was not asked, or gave no answer
            emit({"decision": decision}) if as_json else tell_verdict(decision)
            sys.exit(1)
        changes, near = _asked_again(WhatIf(engine, document))
    finally:
        asyncio.run(guard.close())
    if as_json:
        emit({"document": document, "decision": decision, "changes": changes, "near": near})
        return
    tell_verdict(decision)
    tell_facts(document)
    tell_rules(decision)
    _changes(decision, document, changes)
    _near(near)


def _asked_again(what_if: WhatIf) -> tuple[dict[str, list[Variation]], list[Near]]:
    with output.working("Asking policy again, with one thing different"):
        changes = {
            "levels": what_if.levels(),
            "modes": what_if.modes(),
            "confidence": what_if.confidence(),
            "without": what_if.without(),
        }
        return changes, what_if.near()


def _recorded(which: str, config: Path | None, level: int | None) -> Document:
    """The input document of a recorded decision, at ``level`` where one is given."""
    from hitl_opa.cli.audit import open_record

    with open_record(config) as log:
        found = [
            r
            for r in log.records()
            if r.kind == "decision"
            and (str(r.leaf.get("decision_id", "")).startswith(which) or r.get("call_id") == which)
        ]
    if len({r.leaf.get("decision_id") for r in found}) != 1:
        raise ConfigError(f"{len(found)} recorded decisions have the id {which!r}: see hitl-opa audit tail for ids")
    payload = found[0].payload
    if payload is None:
        raise ConfigError(f"the input of {which!r} was erased from the record: only its proof is left")
    try:
        document = msgspec.convert(payload["input"], Document)
    except (msgspec.ValidationError, KeyError) as error:
        raise ConfigError(f"the recorded input of {which!r} is not one of this release: {error}") from None
    agent = msgspec.structs.replace(document.agent, level=level or document.agent.level)
    return msgspec.structs.replace(document, agent=agent)


def _changes(decision: Decision, document: Document, changes: dict[str, list[Variation]]) -> None:
    heading("What would change it")
    agent = document.agent
    _series("level", changes["levels"], f"level {agent.level}")
    _series("mode", changes["modes"], f"mode {agent.mode}")
    _series("confidence", changes["confidence"], f"confidence {agent.confidence.value:g}")
    different = [v for v in changes["without"] if v.decision.verdict is not decision.verdict]
    lower = [v for v in changes["without"] if v not in different and v.decision.risk is not decision.risk]
    for variation in different:
        say(verdict(variation.decision.verdict), "  ", *spans(variation.what), indent=2)
    for variation in lower:
        say(Span(f"risk {variation.decision.risk}", "dim"), "  ", *spans(variation.what), indent=2)
    if changes["without"] and not different:
        say(Span("No single effect makes the difference: without it the verdict is the same.", "dim"), indent=2)


def _series(name: str, variations: list[Variation], current: str) -> None:
    """One line: the verdict under each value, the one in force marked."""
    line: Line = [Span(f"{name:11}")]
    for variation in variations:
        value = variation.what.removeprefix(f"{name} ")
        here = variation.what == current
        line += [Span(f"{value}{'*' if here else ''} ", "bold" if here else "dim")]
        line += [verdict(variation.decision.verdict), Span("  ")]
    say(*line, indent=2, hanging=11)


def _near(near: list[Near]) -> None:
    heading("Rules that nearly fired: one fact different and they would")
    for found in near[:MAX_NEAR]:
        first, more = found.if_[0], len(found.if_) - 1
        say(verdict(found.reason.verdict), " ", *spans(found.reason.rule, "bold"), indent=2)
        say("if ", *spans(first), Span(f", or {more} more like it" if more else "", "dim"), indent=8)
    if len(near) > MAX_NEAR:
        say(Span(f"and {len(near) - MAX_NEAR} more: --json lists them", "dim"), indent=2)
    if not near:
        say("none", indent=2)
