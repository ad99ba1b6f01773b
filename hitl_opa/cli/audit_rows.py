"""Records for a person: a line each, or all of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from hitl_opa.audit import Record
from hitl_opa.cli.output import clipped, heading, say, verdict
from hitl_opa.cli.telling import tell_facts, tell_rules
from hitl_opa.cli.watch import what
from hitl_opa.model import Decision, Document
from hitl_opa.terminal.text import Line, Span, block, spans

_REVIEWS = {"approve": "green", "reject": "red", "edit": "yellow", "none": "red"}
_LEAF = ("call_id", "tool", "session", "agent", "requested_by", "mode", "level", "verdict", "risk", "decided_by")
_SHOWN = frozenset({*_LEAF, "decision_id", "reviewer", "outcome", "matches", "elapsed_ms", "digest", "seen"})
_OUTCOMES = {"ran": "green", "failed": "red", "blocked": "yellow"}


def fields(record: Record) -> dict[str, Any]:
    """A record as JSON: the leaf as it is committed to, and the payload beside it."""
    return {"id": record.id, "seq": record.seq, "leaf": record.leaf, "payload": record.payload}


def row(record: Record) -> None:
    """A record on one line: when, which call, what was said, about what."""
    line: Line = [Span(f"{record.timestamp[11:19]} ", "dim"), Span(f"{record.leaf.get('decision_id', '')[:8]:8}  ")]
    match record.kind:
        case "decision":
            line += [verdict(record.get("verdict")), Span(f" {record.get('risk'):8}  ")]
        case "review":
            said = record.get("verdict")
            line += [*spans(f"{said:14}", _REVIEWS.get(said, "")), Span("  ")]
        case "outcome":
            ended = record.get("outcome")
            line += [*spans(f"{ended:14}", _OUTCOMES.get(ended, "")), Span("  ")]
        case "approval":
            line += [*spans(f"{record.get('extra', {}).get('state', ''):14.14}", "yellow"), Span("  ")]
        case kind:
            line += [*spans(f"{kind:14.14}", "dim"), Span("  ")]
    clipped(*line, *spans(record.get("tool")), "  ", *_summary(record))


def _summary(record: Record) -> Iterator[Span]:
    payload = record.payload or {}
    match record.kind:
        case "decision":
            call = payload.get("input") or {}
            yield from spans(
                what((call.get("call") or {}).get("input") or {}, (call.get("context") or {}).get("cwd", ""))
            )
            rules = record.get("rules", [])
            yield from spans(f"  [{rules[0]}]" if rules else "", "dim")
        case "review":
            said = (payload.get("result") or {}).get("reason") or (payload.get("detail") or {}).get("refused", "")
            yield from spans(f"by {record.get('reviewer') or 'nobody'}" + (f": {said}" if said else ""))
        case "outcome":
            if record.get("matches", True) is False:
                yield Span("ANOTHER INPUT THAN WAS APPROVED  ", "danger")
            yield from spans(str((payload.get("detail") or {}).get("error") or ""))
        case _:
            yield from spans(_note(record)[:200])


def _note(record: Record) -> str:
    """What happened that is neither decision nor answer, in a line."""
    extra: dict[str, Any] = record.get("extra", {})
    detail: dict[str, Any] = (record.payload or {}).get("detail") or {}
    who = record.get("reviewer")
    match extra:
        case {"autonomy": {"action": action, **about}}:
            where = " ".join(str(about[name]) for name in ("agent", "tool", "risk", "level") if name in about)
            said = [f"{about.get('by', who)}: {action}", where, str(about.get("reason", ""))]
            return ", ".join(filter(None, said))
        case {"earned": {"level": level, "risk": risk, "agent": agent}}:
            return f"{agent}: level {level} at {risk} risk: {detail.get('why', '')}"
        case {"alarm": name, "state": state}:
            return f"alarm {state}: {detail.get('message', name)}"
        case {"incident": severity}:
            return f"incident, severity {severity}, said {who}: {detail.get('note', '')}"
        case {"rating": score, "rated": agent}:
            return f"{who} trusts {agent} {score} of 5: {detail.get('note', '')}"
        case {"notified": channel, "result": result}:
            return f"{channel}: {result} {detail.get('title') or detail.get('problem') or ''}"
        case {"adopted": decisions, "rule": rule}:
            return f"adopted {rule}, made from {len(decisions)} decisions"
        case {"erased": _, "where": where}:
            return f"{who} erased what fits {where}"
        case {"viewed": _}:
            return f"{who} looked at it"
        case {"refused": rule}:
            return f"{who}'s word does not count ({rule}): {detail.get('refused', '')}"
        case _:
            return str(detail or "")


def details(record: Record) -> None:
    heading(f"{record.kind}  {record.timestamp}")
    named = {**record.leaf["hitl"], **{k: record.leaf[k] for k in ("decision_id", "requested_by") if k in record.leaf}}
    for name, value in sorted(named.items()):
        if name in _SHOWN:
            say(Span(f"{name:13}", "dim"), *spans(str(value)), indent=2, hanging=13)
    if record.kind not in ("decision", "outcome") and record.get("extra"):
        _json_of({"extra": record.get("extra")})
    payload = record.payload
    if payload is None and record.get("commitment"):
        say(Span("its content was erased; what it was stays proven", "yellow"), indent=2)
    try:
        if record.kind == "decision" and payload is not None:
            document = msgspec.convert(payload["input"], Document)
            decision = msgspec.convert(payload["result"], Decision)
            _json_of({"input": document.call.input})
            tell_facts(document)
            tell_rules(decision)
            return
    except (msgspec.ValidationError, KeyError):
        say(Span("recorded by another release:", "yellow"), indent=2)
    _json_of(payload or {})


def _json_of(values: dict[str, Any]) -> None:
    for name, value in values.items():
        text = value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
        first, *more = block(text)
        say(Span(f"{name:13}", "dim"), *first, indent=2, hanging=13)
        for line in more:
            say(*line, indent=15)
