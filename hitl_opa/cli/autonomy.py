"""``hitl-opa autonomy`` and ``incident``: what agents have earned, and what takes it away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.autonomy import LEVELS, Standing, climb
from hitl_opa.cli.options import options
from hitl_opa.cli.output import emit, heading, risk, say, table, working
from hitl_opa.cli.settings import load_settings
from hitl_opa.config import Config
from hitl_opa.database import MEMORY
from hitl_opa.errors import ConfigError
from hitl_opa.guard.opening import open_audit
from hitl_opa.metrics import Trails
from hitl_opa.terminal.text import Line, Span, spans

if TYPE_CHECKING:
    from hitl_opa.approvals.standings import Change, Standings

_SEVERITIES = {"small": 1, "serious": 2, "severe": 3}


@click.group(short_help="What agents have earned, and what takes it away.")
def autonomy() -> None:
    """Earned autonomy: each tool of an agent may earn to run alone at a risk, from what people said of its calls.

    \b
    hitl-opa autonomy status               where each tool stands, and what it still takes
    hitl-opa autonomy apply                put in force what was earned and lost (for cron, or after deciding)
    hitl-opa autonomy confirm Bash high    what evidence proposes above level 3, a person confirms
    hitl-opa autonomy freeze               everything back to level 1, at once
    hitl-opa incident 3f2a --severity severe    a call did harm: the agent falls

    Nothing is in force without `autonomy: {earn: true}` in the settings.
    """


@autonomy.command()
@click.option("--agent", help="Only this agent.")
@click.option("--moves", is_flag=True, help="How each came to its level.")
@options
def status(agent: str | None, moves: bool, as_json: bool, config: Path | None) -> None:
    """Where each tool stands at each risk."""
    with _opened(config) as (settings, audit, _):
        found = [s for s in _standings(settings, audit) if agent in (None, s.agent)]
    if as_json:
        emit([{**msgspec.to_builtins(s), "e_value": min(s.evidence.e_value, 1e300)} for s in found])
        return
    if not found:
        say("There is no evidence: nobody has looked at a call of low, medium or high risk yet, and decided on it.")
        return
    if any(s.frozen for s in found):
        say(Span("frozen: ", "danger"), "everything runs at level 1. hitl-opa autonomy unfreeze ends it.")
    if not settings.autonomy.earn:
        say("Nothing of this is in force: the settings have no `autonomy: {earn: true}`.")
    rows: list[list[Line | str]] = [
        [spans(f"{s.agent} {s.version}".strip()), spans(s.tool), [risk(s.risk)], _level(s), _ladder(s), spans(_next(s))]
        for s in found
    ]
    table(("agent", "tool", "risk", "level", "evidence", "next"), rows)
    for s in found if moves else []:
        heading(f"{s.tool}, {s.risk} risk")
        for move in s.moves:
            at = f"{datetime.fromtimestamp(move.at, UTC):%Y-%m-%d %H:%M}Z"
            say(*spans(f"{at}  {move.old} to {move.new}: {move.why}"), indent=2, hanging=21)


@autonomy.command()
@options
def apply(as_json: bool, config: Path | None) -> None:
    """Put in force what was earned and lost."""
    with _opened(config) as (settings, audit, standings):
        changed = _apply(settings, audit, standings)
    _said(changed, as_json)


@autonomy.command()
@options
def propose(as_json: bool, config: Path | None) -> None:
    """What evidence proposes and a person has to confirm. Exit code 1 where there is nothing."""
    with _opened(config) as (settings, audit, _):
        found = [s for s in _standings(settings, audit) if s.proposed]
    if as_json:
        emit([msgspec.to_builtins(s) for s in found])
    for s in [] if as_json else found:
        seen = s.evidence
        say(
            *spans(f"{s.tool}, {s.risk} risk: level {s.next}"),
            f"  {seen.successes} of {seen.successes + seen.failures} approved unchanged, evidence {seen.worded}",
        )
        say(*spans(f"hitl-opa autonomy confirm {s.tool} {s.risk} --agent {s.agent}"), indent=2)
    if not found:
        raise SystemExit(1)


def _key(command: Any) -> Any:
    for option in (
        click.argument("risk", type=click.Choice(list(LEVELS))),
        click.argument("tool"),
        click.option("--agent", help="Whose tool.  [default: the settings' agent]"),
        click.option("--version", "version", help="Of which version.  [default: the settings' agent_version]"),
        click.option("--reason", default="", help="Why, for the record."),
    ):
        command = option(command)
    return options(command)


@autonomy.command()
@_key
def confirm(tool: str, risk: str, config: Path | None, as_json: bool, **about: Any) -> None:
    """Confirm what evidence proposes."""
    with _opened(config) as (settings, audit, standings):
        key = _named(settings, tool, risk, about)
        if not any(s.proposed and _is(s, key) for s in _standings(settings, audit)):
            raise ConfigError(f"nothing is proposed for {tool} at {risk} risk: see `hitl-opa autonomy propose`")
        _acted(settings, audit, standings, as_json, "confirm", **key)


@autonomy.command("set")
@_key
@click.option("--level", required=True, type=click.IntRange(1, 4), help="At most what the risk allows.")
def set_(tool: str, risk: str, level: int, config: Path | None, as_json: bool, **about: Any) -> None:
    """Set a level by hand."""
    with _opened(config) as (settings, audit, standings):
        _acted(settings, audit, standings, as_json, "set", level=level, **_named(settings, tool, risk, about))


@autonomy.command()
@_key
def reset(tool: str, risk: str, config: Path | None, as_json: bool, **about: Any) -> None:
    """Start its evidence anew, without blame."""
    with _opened(config) as (settings, audit, standings):
        _acted(settings, audit, standings, as_json, "reset", **_named(settings, tool, risk, about))


@autonomy.command()
@click.option("--reason", default="", help="Why, for the record.")
@options
def freeze(reason: str, as_json: bool, config: Path | None) -> None:
    """The kill switch: everything runs at level 1, in every process that uses this record, from its next call on."""
    with _opened(config) as (settings, audit, standings):
        _acted(settings, audit, standings, as_json, "freeze", reason=reason)
    if not as_json:
        say(Span("frozen", "danger"), ": a human decides every call until `hitl-opa autonomy unfreeze`.")


@autonomy.command()
@click.option("--reason", default="", help="Why, for the record.")
@options
def unfreeze(reason: str, as_json: bool, config: Path | None) -> None:
    """Lift the kill switch; what was earned before is in force again."""
    with _opened(config) as (settings, audit, standings):
        _acted(settings, audit, standings, as_json, "unfreeze", reason=reason)


@click.command()
@click.argument("which", metavar="DECISION")
@click.option("--severity", type=click.Choice(list(_SEVERITIES)), default="serious", show_default=True)
@click.option("--note", default="", help="What happened.")
@options
def incident(which: str, severity: str, note: str, as_json: bool, config: Path | None) -> None:
    """Report that a call did harm. A severe one takes all that its agent had earned, at once.

    DECISION is the start of a decision's id, as `hitl-opa audit tail` prints it.

    \b
    hitl-opa incident 0b8c2d --severity serious --note "emptied the wrong bucket"
    """
    with _opened(config) as (settings, audit, standings):
        with working("Reading the record"):
            found = [t for t in Trails(audit.records()) if which and t.id.startswith(which)]
        if len(found) != 1:
            raise ConfigError(f"{'no decision has' if not found else 'several decisions have'} an id like {which!r}")
        audit.append(
            Event(
                kind=Kind.NOTE,
                decision_id=found[0].id,
                tool=found[0].tool,
                reviewer=_who(),
                extra={"incident": _SEVERITIES[severity]},
                detail={"note": note} if note else None,
            )
        )
        changed = _apply(settings, audit, standings)
    if not as_json:
        say(*spans(f"recorded: a {severity} incident with {found[0].tool}"))
    _said(changed, as_json)


# --- inside


@contextmanager
def _opened(config: Path | None) -> Iterator[tuple[Config, AuditLog, Standings]]:
    from hitl_opa.approvals.standings import Standings
    from hitl_opa.approvals.store import Store

    settings = load_settings(config)
    if settings.record == MEMORY:
        raise ConfigError("these settings keep the record in memory only (audit: ':memory:'): nothing can be earned")
    with open_audit(settings) as audit:
        yield settings, audit, Standings(Store(audit))


def _standings(settings: Config, audit: AuditLog) -> list[Standing]:
    with working("Reading the record"):
        return climb(Trails(audit.records()), time.time(), settings.autonomy)


def _apply(settings: Config, audit: AuditLog, standings: Standings) -> list[Change]:
    with working("Reading the record"):
        trails = Trails(audit.records())

    def now() -> list[Standing]:
        trails.extend(audit.records(after=trails.last))
        return climb(trails, time.time(), settings.autonomy)

    return standings.apply(now, time.time())


def _acted(settings: Config, audit: AuditLog, standings: Standings, as_json: bool, action: str, **about: Any) -> None:
    standings.act(action, _who(), time.time(), **{name: value for name, value in about.items() if value})
    _said(_apply(settings, audit, standings), as_json)


def _said(changed: list[Change], as_json: bool) -> None:
    if as_json:
        emit([msgspec.to_builtins(s) for s in changed])
        return
    for s in changed:
        say(*spans(f"{s.agent}: {s.tool} at {s.risk} risk, level {s.old} to {s.new}: {s.why}"))


def _named(settings: Config, tool: str, risk: str, about: dict[str, Any]) -> dict[str, str]:
    return {
        "agent": about["agent"] or settings.agent or "agent",
        "version": settings.agent_version if about["version"] is None else about["version"],
        "tool": tool,
        "risk": risk,
        "reason": about["reason"],
    }


def _is(s: Standing, key: dict[str, str]) -> bool:
    return all(getattr(s, name) == key[name] for name in ("agent", "version", "tool", "risk"))


def _who() -> str:
    from hitl_opa.cli.person import login

    return login()


def _level(s: Standing) -> Line:
    return [Span(str(s.level), "green" if s.level > 1 else "dim")]


def _ladder(s: Standing) -> Line:
    seen = s.evidence
    return spans(f"{seen.successes}/{seen.successes + seen.failures}, {seen.worded}")


def _next(s: Standing) -> str:
    if s.proposed:
        return f"level {s.next} is proposed: a person has to confirm it"
    if s.missing:
        return f"level {s.next} takes: {'; '.join(s.missing)}"
    return ""
