"""``hitl-opa metrics``: how well humans and agents work together."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from hitl_opa.audit import Filter
from hitl_opa.autonomy import Standing, climb
from hitl_opa.cli.audit import moment, open_record
from hitl_opa.cli.options import config_option, json_option
from hitl_opa.cli.output import Progress, emit, heading, say, table
from hitl_opa.cli.settings import load_settings
from hitl_opa.guard.opening import open_standings
from hitl_opa.metrics import Alert, Measures, Ratio, Spread, Trail, Trails, alerts, measure
from hitl_opa.metrics.survey import Survey, survey
from hitl_opa.terminal.text import Line, Span, spans

_BAR = 24
_SHOWN = 12  # rows of trust
_RATES = {
    "escalation": "calls a person was asked about",
    "override": "of what people decided, rejected or edited",
    "expiry": "approvals that ran out unanswered",
    "rubber_stamp": "approvals faster than anybody reads",
    "utilisation": "corrections that led to a change",
    "canaries": "planted bad requests caught",
    "harm_approved": "incidents among approved calls that ran",
    "harm_automatic": "incidents among calls that ran alone",
}
_BY: dict[str, Callable[[Trail], list[str]]] = {
    "agent": lambda t: [t.agent],
    "tool": lambda t: [t.tool],
    "risk": lambda t: [t.risk],
    "rule": lambda t: list(t.rules[:1]),
    "level": lambda t: [str(t.level)],
    "day": lambda t: [datetime.fromtimestamp(t.at, UTC).date().isoformat()],
    "reviewer": lambda t: sorted({look.reviewer for look in t.looks}),
}


@click.command()
@click.option("--by", type=click.Choice(list(_BY)), help="A row for each of these.")
@click.option("--since", metavar="TIME", help="Only calls from this time on: 2026-01-31 or 2026-01-31T12:00:00Z.")
@click.option("--agent", help="Only this agent's calls.")
@click.option("--tool", help="Only this tool's calls.")
@click.option("--check", is_flag=True, help="Exit code 1 where a number is outside its target.")
@click.option("--prometheus", is_flag=True, help="Print what Prometheus reads.")
@json_option
@click.option("--db", metavar="FILE|URL", help="The record's database.  [default: the settings']")
@config_option
def metrics(
    by: str | None,
    since: str | None,
    agent: str | None,
    tool: str | None,
    check: bool,
    prometheus: bool,
    as_json: bool,
    db: str | None,
    config: Path | None,
) -> None:
    """How well humans and agents work together, measured from the record.

    \b
    hitl-opa metrics                       the numbers, and which are outside their targets
    hitl-opa metrics --by tool             which tools ask too often
    hitl-opa metrics --by reviewer         who decides how fast
    hitl-opa metrics --since 2026-01-01 --check   for a scheduled job: exit code 1 tells

    Targets are settings (`targets` in hitl.yaml). The default band for escalation, 10-15 %, is
    a rule of thumb: derive your own from your tasks.
    """
    if prometheus:
        from hitl_opa.metrics.prometheus import Exposition

        settings = load_settings(config)
        with open_record(db=db, config=config) as log:
            standings = open_standings(settings, log)
            click.echo(Exposition(log, None if standings is None else standings.all).text(), nl=False)
        return
    trails = _read(db, config, since)
    wanted = _wanted(agent, tool)
    measures = measure(trails, filter(wanted, trails))
    settings = load_settings(config)
    found = alerts(measures, settings.targets)
    said = survey(rating for rating in trails.ratings if agent in (None, rating.agent))
    trust = [
        s
        for s in climb(trails, time.time(), settings.autonomy)
        if agent in (None, s.agent) and tool in (None, s.tool) and s.evidence.successes + s.evidence.failures
    ]
    if as_json:
        emit({**_as_json(measures, found, _grouped(trails, wanted, by)), **_trust_as_json(trust, said)})
    elif by:
        _table(by, _grouped(trails, wanted, by))
    else:
        _show(measures, found)
        _tell_trust(trust, said)
    if check and found:
        raise SystemExit(1)


def _read(db: str | None, config: Path | None, since: str | None) -> Trails:
    progress = Progress("records")
    trails = Trails()
    with open_record(db=db, config=config) as log:
        for count, record in enumerate(log.records(Filter(since=moment(since)))):
            trails.add(record)
            progress.at(count)
    progress.done()
    return trails


def _wanted(agent: str | None, tool: str | None) -> Callable[[Trail], bool]:
    return lambda t: (agent is None or t.agent == agent) and (tool is None or t.tool == tool)


def _grouped(trails: Trails, wanted: Callable[[Trail], bool], by: str | None) -> dict[str, Measures]:
    if by is None:
        return {}
    groups: dict[str, list[Trail]] = defaultdict(list)
    for trail in filter(wanted, trails):
        for name in _BY[by](trail):
            groups[name].append(trail)
    return {name: measure(trails, group) for name, group in sorted(groups.items())}


def _show(measures: Measures, found: list[Alert]) -> None:
    if not measures.calls:
        say("The record has no calls (in this time).")
        return
    outside = {alert.name for alert in found}
    verdicts = ", ".join(f"{measures.verdicts.get(v, 0)} {word}" for v, word in _VERDICTS)
    say(Span(f"{measures.calls} calls", "bold"), f": {verdicts}")
    if measures.failed_closed or measures.unanswered or measures.open:
        say(
            f"{measures.failed_closed} denied because something failed, {measures.unanswered} asked with nobody there, "
            f"{measures.open} approvals open"
        )
    heading("Rates")
    rows: list[list[Line | str]] = []
    for name, words in _RATES.items():
        ratio: Ratio = getattr(measures, name)
        style = "danger" if name in outside else ""
        rows.append(
            [name.replace("_", " "), [Span(percent(ratio), style)], f"{ratio.hits}/{ratio.of}", _bar(ratio), words]
        )
    table(("", "", "", "", ""), rows)
    heading("Times")
    table(
        ("", "median", "95th percentile", "of"),
        [
            [name, span(s.p50), span(s.p95), str(s.n)]
            for name in ("resolution", "queue", "look")
            if (s := _spread(measures, name)).n
        ]
        or [["nobody was asked", "", "", ""]],
    )
    if measures.agreement is not None:
        say(f"Reviewers' agreement (Fleiss' kappa): {measures.agreement:.2f}")
    if found:
        heading("Outside their targets")
        for alert in found:
            say(Span("! ", "danger"), f"{alert.name.replace('_', ' ')}: {alert.message} ({_bounds(alert)})", indent=2)


def _tell_trust(trust: list[Standing], said: Survey) -> None:
    if not trust and not said.n:
        return
    heading("Trust")
    rows: list[list[Line | str]] = []
    for s in trust[:_SHOWN]:
        seen = s.evidence
        unchanged = f"{seen.successes}/{seen.successes + seen.failures} unchanged"
        least = f"at least {seen.lower_bound * 100:.0f} % (95 % sure)"
        rows.append([spans(s.agent), spans(s.tool), s.risk, unchanged, least, f"evidence {seen.worded}"])
    if rows:
        table(("", "", "", "", "", ""), rows)
    if len(trust) > _SHOWN:
        say(f"and {len(trust) - _SHOWN} more: hitl-opa autonomy status", indent=2)
    if said.mean is not None:
        say(f"People's own word (hitl-opa rate): {said.mean:.1f} of 5, from {said.n}")


def _trust_as_json(trust: list[Standing], said: Survey) -> dict[str, Any]:
    rows = [
        {
            **{name: getattr(s, name) for name in ("agent", "version", "tool", "risk")},
            "successes": s.evidence.successes,
            "failures": s.evidence.failures,
            "lower_bound": s.evidence.lower_bound,
            "e_value": min(s.evidence.e_value, 1e300),
        }
        for s in trust
    ]
    return {"trust": rows, "survey": msgspec.to_builtins(said, str_keys=True)}


_VERDICTS = (("allow", "allowed"), ("ask", "asked"), ("deny", "denied"))


def _spread(measures: Measures, name: str) -> Spread:
    return getattr(measures, name)  # type: ignore[no-any-return]


def _table(by: str, groups: dict[str, Measures]) -> None:
    rows: list[list[Line | str]] = [
        [
            name,
            str(m.calls),
            percent(m.escalation),
            percent(m.override),
            percent(m.expiry),
            percent(m.rubber_stamp),
            span(m.resolution.p50) if m.resolution.n else "-",
            span(m.look.p50) if m.look.n else "-",
            *([percent(m.catches.get(name, Ratio()))] if by == "reviewer" else []),
        ]
        for name, m in groups.items()
    ]
    head = (by, "calls", "escalated", "override", "expired", "rubber stamp", "resolution", "look")
    table((*head, *(["canaries"] if by == "reviewer" else [])), rows, shrink=0)


def percent(ratio: Ratio) -> str:
    """``12.5 %``, ``-`` where there is nothing to take a share of."""
    return "-" if ratio.value is None else f"{ratio.value * 100:.1f} %"


def span(seconds: float) -> str:
    """A time as people say it."""
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s"


def _bar(ratio: Ratio) -> str:
    return "█" * round((ratio.value or 0) * _BAR) if ratio.of else ""


def _bounds(alert: Alert) -> str:
    if alert.name == "resolution_p95":
        return f"{span(alert.value)}, target at most {span(alert.target.high)}"
    scale, unit = (1, "") if alert.name == "agreement" else (100, " %")
    low, high = alert.target.low * scale, alert.target.high * scale
    return f"{alert.value * scale:.3g}{unit}, target {low:g}-{high:g}{unit}"


def _as_json(measures: Measures, found: list[Alert], groups: dict[str, Measures]) -> dict[str, Any]:
    return {
        "measures": msgspec.to_builtins(measures),
        "alerts": msgspec.to_builtins(found),
        **({"groups": msgspec.to_builtins(groups)} if groups else {}),
    }
