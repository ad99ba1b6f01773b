"""``hitl-opa decide``: what policy says of one call, or of many."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click
import msgspec

from hitl_opa.cli.calls import adjusted, call_of, call_options
from hitl_opa.cli.output import Progress, emit, risk, say, verdict
from hitl_opa.cli.settings import ASIDE, guard_options, load_settings, open_guard
from hitl_opa.guard import Guard
from hitl_opa.model import Decision, ToolCall
from hitl_opa.terminal.text import Span, spans

EXIT = {"allow": 0, "ask": 10, "deny": 20}
_json = msgspec.json.Encoder(order="sorted")


@click.command(short_help="What policy makes of one tool call, or of many.")
@call_options
@click.option("--jsonl", is_flag=True, help="Read tool calls from standard input, one JSON object a line.")
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
@click.option("--document", is_flag=True, help="Print the input document that policy would see, as JSON.")
@click.option("--exit-code", is_flag=True, help="Exit with 0 for allow, 10 for ask, 20 for deny.")
@guard_options
def decide(
    tool: str | None,
    fields: tuple[str, ...],
    jsonl: bool,
    mode: str | None,
    confidence: float | None,
    unattended: bool,
    cwd: str | None,
    as_json: bool,
    document: bool,
    exit_code: bool,
    **settings: Any,
) -> None:
    """Say what policy makes of a tool call. Nothing is executed, nothing is recorded.

    \b
    hitl-opa decide Bash command='rm -rf build' --level 3
    hitl-opa decide Write '{"file_path": ".env", "content": "x"}'
    hitl-opa decide --jsonl < calls.jsonl > decisions.jsonl

    With --jsonl a line is {"tool", "input"} and, where known, "id", "cwd", "workspace", "home",
    "annotations", "confidence", "session"; the reply carries "id", "verdict", "risk", "reason" and
    "reasons". A line that is no tool call is answered with an error and counts as denied; there were
    some if the exit code is 1.
    """
    if jsonl == (tool is not None):
        raise click.UsageError("give one TOOL with its fields, or --jsonl; see hitl-opa decide --help")
    given: dict[str, Any] = {"mode": mode, "confidence": confidence, "unattended": unattended, "cwd": cwd}
    call = None if tool is None else adjusted(call_of(tool, fields), **given)
    with open_guard(load_settings(**ASIDE, **settings)) as guard:
        if call is None:
            _many(guard, given)
            return
        ruling = guard.rule_sync(call)
    decision = ruling.decision
    if document:
        emit(ruling.document)
    elif as_json:
        emit(decision)
    else:
        show(decision)
    if exit_code:
        sys.exit(EXIT[decision.verdict])


def _many(guard: Guard, given: dict[str, Any]) -> None:
    bad = 0
    progress = Progress("calls decided", prints=True)
    for number, reply in enumerate(replies(guard, sys.stdin.buffer, given), 1):
        bad += "error" in reply
        sys.stdout.buffer.write(_json.encode(reply) + b"\n")
        sys.stdout.buffer.flush()
        progress.at(number)
    progress.done()
    if bad:
        click.echo(f"hitl-opa: {bad} line(s) were no tool call and are answered as denied", err=True)
        sys.exit(1)


def replies(guard: Guard, lines: Iterable[bytes], given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A reply for each line that is not blank, in order. ``given``: see `hitl_opa.cli.calls.adjusted`."""
    decoder = msgspec.json.Decoder(ToolCall)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            call = adjusted(decoder.decode(line), **given)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            yield {"id": _id(line), "line": number, "error": f"line {number}: {error}", "verdict": "deny"}
            continue
        decision = guard.decide_sync(call)
        yield {
            "id": call.id,
            "verdict": decision.verdict,
            "risk": decision.risk,
            "reason": decision.reason,
            "reasons": decision.reasons,
            "waived": decision.waived,
            "obligations": decision.obligations,
            "policy": decision.policy,
        }


def show(decision: Decision) -> None:
    """A decision for a person to read."""
    say(verdict(decision.verdict), "  risk ", risk(decision.risk), "  ", *spans(decision.reason))
    for reason in decision.reasons:
        said = f"{reason.verdict:5} {reason.risk:8} "
        say(Span(said), *spans(reason.message), Span("  "), *spans(f"[{reason.rule}]", "dim"), indent=2, hanging=15)
        if reason.remedy and reason.verdict != "allow":
            say(Span("instead: ", "dim"), *spans(reason.remedy, "dim"), indent=17, hanging=2)
    if decision.waived:
        say("waived: ", *spans(", ".join(decision.waived)), indent=2)


def _id(line: bytes) -> str:
    """The id of a line that is JSON but no tool call, so that its sender can match the error."""
    try:
        value = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    found = value.get("id", "") if isinstance(value, dict) else ""
    return found if isinstance(found, str) else ""
