"""``hitl-opa decide``: what policy says of one call, or of many."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from hitl_opa.cli.settings import guard_options, open_guard
from hitl_opa.errors import ConfigError
from hitl_opa.guard import Guard
from hitl_opa.model import Decision, PermissionMode, Session, ToolCall

EXIT = {"allow": 0, "ask": 10, "deny": 20}
_json = msgspec.json.Encoder(order="sorted")


@click.command()
@click.argument("tool", required=False)
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE ... | JSON]")
@click.option("--jsonl", is_flag=True, help="Read tool calls from standard input, one JSON object a line.")
@click.option("--mode", type=click.Choice([m.value for m in PermissionMode]), help="The permission mode of the call.")
@click.option("--confidence", type=float, help="How sure the agent is, 0-1.")
@click.option("--unattended", is_flag=True, help="Nobody is there to be asked.")
@click.option("--cwd", help="Working directory of the call.  [default: this one]")
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
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
    "reasons". A line that is no tool call is answered with an error and counts as denied.
    """
    if jsonl == (tool is not None):
        raise click.UsageError("give one TOOL with its fields, or --jsonl")
    given = {"mode": mode, "confidence": confidence, "unattended": unattended, "cwd": cwd}
    guard = open_guard(audit=":memory:", **settings)
    if jsonl:
        bad = 0
        for reply in replies(guard, sys.stdin.buffer, given):
            bad += "error" in reply
            sys.stdout.buffer.write(_json.encode(reply) + b"\n")
            sys.stdout.buffer.flush()
        if bad:
            click.echo(f"hitl-opa: {bad} line(s) were no tool call and are answered as denied", err=True)
            sys.exit(1)
        return
    decision = guard.decide_sync(_adjusted(ToolCall(tool=str(tool), input=_input(fields)), given))
    if as_json:
        click.echo(_json.encode(decision))
    else:
        show(decision)
    if exit_code:
        sys.exit(EXIT[decision.verdict])


def replies(guard: Guard, lines: Iterable[bytes], given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A reply for each line that is not blank, in order."""
    decoder = msgspec.json.Decoder(ToolCall)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            call = _adjusted(decoder.decode(line), given)
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
    colour = {"allow": "green", "ask": "yellow", "deny": "red"}[decision.verdict]
    click.echo(
        f"{click.style(decision.verdict.upper(), fg=colour, bold=True)}  risk {decision.risk}  {decision.reason}"
    )
    for reason in decision.reasons:
        click.echo(f"  {reason.verdict:5} {reason.risk:8} {reason.rule}: {reason.message}")
        if reason.remedy and reason.verdict != "allow":
            click.echo(f"        instead: {reason.remedy}")
    if decision.waived:
        click.echo(f"  waived: {', '.join(decision.waived)}")


def _adjusted(call: ToolCall, given: dict[str, Any]) -> ToolCall:
    """The call with what the command line says in place of what it left open."""
    session: dict[str, Any] = {}
    if given["mode"]:
        session["permission_mode"] = PermissionMode(given["mode"])
    if given["unattended"]:
        session["unattended"] = True
    changed: dict[str, Any] = {"cwd": given["cwd"] or call.cwd or str(Path.cwd())}
    if given["confidence"] is not None:
        changed["confidence"] = given["confidence"]
    if session:
        changed["session"] = msgspec.structs.replace(call.session or Session(), **session)
    return msgspec.structs.replace(call, **changed)


def _input(fields: tuple[str, ...]) -> dict[str, Any]:
    if len(fields) == 1 and fields[0].lstrip().startswith("{"):
        try:
            value: dict[str, Any] = msgspec.json.decode(fields[0], type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise ConfigError(f"the input is not a JSON object: {error}") from None
        return value
    pairs = [field.partition("=") for field in fields]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise click.UsageError(f"{name!r} is neither FIELD=VALUE nor a JSON object")
    return {name: value for name, _, value in pairs}


def _id(line: bytes) -> str:
    """The id of a line that is JSON but no tool call, so that its sender can match the error."""
    try:
        value = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    found = value.get("id", "") if isinstance(value, dict) else ""
    return found if isinstance(found, str) else ""
