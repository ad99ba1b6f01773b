"""``hitl-opa audit``: read the record, and check that nobody changed it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from hitl_opa.audit import AuditLog, Filter, Record, Report
from hitl_opa.cli.output import clipped, emit, heading, say, verdict, working
from hitl_opa.cli.telling import tell_facts, tell_rules
from hitl_opa.cli.watch import what
from hitl_opa.config import load_config
from hitl_opa.errors import AuditError, ConfigError
from hitl_opa.guard.opening import MEMORY
from hitl_opa.model import Decision, Document
from hitl_opa.terminal.text import Line, Span, block, spans

_REVIEWS = {"approve": "green", "reject": "red", "edit": "yellow", "none": "red"}
_LEAF = ("call_id", "tool", "session", "agent", "requested_by", "mode", "level", "verdict", "risk", "decided_by")
_SHOWN = frozenset({*_LEAF, "decision_id", "reviewer", "outcome", "matches", "elapsed_ms", "digest", "seen"})
_OUTCOMES = {"ran": "green", "failed": "red", "blocked": "yellow"}


@click.group(short_help="Read the record, and check that nobody changed it.")
def audit() -> None:
    """The record: who decided what, when, on which input, and how it ended.

    \b
    hitl-opa audit tail --verdict deny      the last calls that were denied
    hitl-opa audit tail --follow            watch an agent at work
    hitl-opa audit show 3f2a                everything about one call
    hitl-opa audit verify                   has anybody changed the record?
    """


def _place(command: Any) -> Any:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--db", type=click.Path(path_type=Path), help="The record's database.  [default: the settings']"),
        click.option("--config", type=click.Path(path_type=Path), help="Settings.  [default: hitl.yaml, if present]"),
    ):
        command = option(command)
    return command


@audit.command()
@click.option("-n", "count", default=20, show_default=True, type=click.IntRange(0), help="How many records.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new ones as they come; Ctrl-C ends it.")
@click.option("--kind", type=click.Choice(["decision", "review", "approval", "outcome", "permission_request", "note"]))
@click.option("--verdict", "said", metavar="VERDICT", help="allow, ask, deny; of reviews: approve, reject, edit.")
@click.option("--tool", help="Only this tool's calls.")
@click.option("--session", help="Only this session's calls.")
@click.option("--since", metavar="TIME", help="Only from this time on: 2026-01-31 or 2026-01-31T12:00:00Z.")
@_place
def tail(
    count: int,
    follow: bool,
    kind: str | None,
    said: str | None,
    tool: str | None,
    session: str | None,
    since: str | None,
    as_json: bool,
    **place: Any,
) -> None:
    """The last records, oldest first."""
    only = Filter(kind=kind or "", verdict=said or "", tool=tool or "", session=session or "", since=moment(since))
    with open_record(**place) as log:
        try:
            for record in log.tail(count, follow=follow, only=only):
                emit(fields(record)) if as_json else _row(record)
                if follow:
                    sys.stdout.flush()
        except KeyboardInterrupt:
            return


@audit.command()
@click.argument("which", metavar="ID")
@_place
def show(which: str, as_json: bool, **place: Any) -> None:
    """Everything about one call: its decision, its review, its outcome.

    ID is the start of a decision's id, as `audit tail` prints it, or the id of the call.
    """
    with open_record(**place) as log, working("Reading the record"):
        found = [r for r in log.records() if _about(r, which)]
    if not found:
        raise ConfigError(f"the record has nothing about {which!r}: see `hitl-opa audit tail` for ids")
    decisions = {r.leaf.get("decision_id") for r in found if r.leaf.get("decision_id")}
    if len(decisions) > 1 and not any(r.get("call_id") == which for r in found):
        raise ConfigError(f"{len(decisions)} decisions have an id that starts with {which!r}: give more of it")
    if as_json:
        emit([fields(record) for record in found])
        return
    for record in found:
        _details(record)


@audit.command()
@click.argument("export", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_place
def verify(export: Path | None, as_json: bool, **place: Any) -> None:
    """Check that no record was edited, dropped, reordered, inserted or cut off.

    Without EXPORT the database itself is checked. Exit code 1 if anything was changed.

    Nothing outside the file vouches for it: records cut off the end together with the count of
    them, or an end rewritten with all its hashes, cannot be seen from the file alone.
    """
    report = _verified(export, place)
    if as_json:
        emit({"ok": report.ok, **msgspec.to_builtins(report)})
    else:
        show_report(report)
    if not report.ok:
        sys.exit(1)


def _verified(export: Path | None, place: dict[str, Any]) -> Report:
    from hitl_opa.audit import verify as verify_lines

    with working("Checking the record"):
        if export is None:
            with open_record(**place) as log:
                return log.verify()
        with export.open("rb") as lines:
            return verify_lines(lines)


def show_report(report: Report) -> None:
    """A report for a person."""
    noun = "record" if report.records == 1 else "records"
    if report.ok:
        say(Span("verified", "green"), f"  {report.records} {noun}, none changed, dropped or out of place")
    else:
        say(Span("CHANGED", "danger"), f"  {len(report.problems)} problem(s) in {report.records} {noun}")
    for problem in report.problems:
        say(Span("! ", "danger"), *spans(str(problem)), indent=2)
    if report.erased:
        say(f"{report.erased} payload(s) were erased; what they were stays proven", indent=2)
    for head in report.streams:
        say(f"root of {head.size} records: {head.root or 'lost'}", indent=2)


def open_record(config: Path | None = None, db: Path | None = None) -> AuditLog:
    """The record, to be read. Raises ConfigError or AuditError, which say what to do."""
    if db is None:
        settings = load_config(config)
        if settings.audit == MEMORY:
            raise ConfigError("these settings keep the record in memory only (audit: ':memory:'); there is no file")
        db = settings.path(settings.audit)
    if not db.exists():
        raise AuditError(f"{db}: there is no record yet; it starts with the first call that a guard decides")
    return AuditLog.open(db, readonly=True)


def fields(record: Record) -> dict[str, Any]:
    """A record as JSON: the leaf as it is committed to, and the payload beside it."""
    return {"id": record.id, "seq": record.seq, "leaf": record.leaf, "payload": record.payload}


def moment(text: str | None) -> datetime | str:
    """RFC 3339 as typed, in UTC where it names no zone."""
    if not text:
        return ""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--since {text}: write 2026-01-31 or 2026-01-31T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _about(record: Record, which: str) -> bool:
    decision = str(record.leaf.get("decision_id", ""))
    return record.get("call_id") == which or (bool(which) and decision.startswith(which))


def _row(record: Record) -> None:
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
            yield from spans(str(payload.get("detail") or "")[:200])


def _details(record: Record) -> None:
    heading(f"{record.kind}  {record.timestamp}")
    named = {**record.leaf["hitl"], **{k: record.leaf[k] for k in ("decision_id", "requested_by") if k in record.leaf}}
    for name, value in sorted(named.items()):
        if name in _SHOWN:
            say(Span(f"{name:13}", "dim"), *spans(str(value)), indent=2, hanging=13)
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
