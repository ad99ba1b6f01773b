"""A decision and its facts, told to a person."""

from __future__ import annotations

from hitl_opa.cli import output
from hitl_opa.cli.output import heading, say, verdict
from hitl_opa.model import Decision, Document, Reason
from hitl_opa.terminal.text import Span, spans, visible
from hitl_opa.terminal.words import happenings, programs


def tell_verdict(decision: Decision) -> None:
    """What was decided, and what it obliges to."""
    say(verdict(decision.verdict), "  risk ", output.risk(decision.risk), "  ", *spans(decision.reason))
    for obligation in decision.obligations:
        if obligation.type != "log":
            shown = ", ".join(f"{k} {v}" for k, v in obligation.properties.items() if v not in ("", [], {}))
            say(Span("and ", "dim"), *spans(f"{obligation.type}: {shown}", "dim"), indent=2)


def tell_facts(document: Document) -> None:
    """What the call does, and who asks."""
    heading("What the call does")
    found = happenings(document.facts, document.context.workspace)
    for text, bad in found:
        say(Span("! " if bad else "- ", "danger" if bad else ""), text, indent=2)
    if not found:
        say("Nothing is known about what this tool does.", indent=2)
    for line in programs(document.facts):
        say(Span("runs  ", "dim"), *spans(line), indent=2)
    for secret in document.facts.secrets:
        say(Span("holds a secret  ", "yellow"), *spans(f"{secret.kind} at {secret.pointer}"), indent=2)
    agent = document.agent
    sure = f"confidence {agent.confidence.value:g}" if agent.confidence.value >= 0 else "a confidence that is none"
    said = f" at {sure}" if agent.confidence.known else ""
    say(Span(f"asked by an agent at level {agent.level}, mode {visible(agent.mode)}{said}", "dim"), indent=2)


def tell_rules(decision: Decision) -> None:
    """Every rule that fired, and what was waived."""
    heading("Rules that fired, strictest first")
    for reason in decision.reasons:
        marks = [text for text, on in (("floor: nothing waives it", reason.floor),) if on]
        if reason.waives:
            marks.append(f"waives {', '.join(reason.waives)}")
        _rule(reason, "; ".join(marks))
    for rule in decision.waived:
        say(Span("waived  ", "dim"), *spans(rule, "dim"), indent=2)


def _rule(reason: Reason, note: str) -> None:
    say(verdict(reason.verdict), " ", output.risk(reason.risk), "  ", *spans(reason.rule, "bold"), indent=2)
    say(*spans(reason.message), indent=8)
    if reason.remedy and reason.verdict != "allow":
        say(Span("instead: ", "dim"), *spans(reason.remedy, "dim"), indent=8)
    if note:
        say(*spans(note, "dim"), indent=8)
