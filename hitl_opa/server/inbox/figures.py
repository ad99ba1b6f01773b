"""The charts of the page "Effectiveness": as SVG, and as numbers for the script that makes them answer to a mouse."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from markupsafe import Markup

from hitl_opa.metrics import Measures, Ratio, Trail, Trails, measure
from hitl_opa.oversight.charts import bars, columns, lines

VERDICTS = ("allow", "ask", "deny")
_BARS = 12  # groups that are drawn


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """``svg`` is what everybody sees, ``data`` (JSON, ``""`` where there is none) what a script may draw in its place.

    ``data``: ``kind`` (``stacked``, ``lines``), ``unit``, ``x`` (seconds since the epoch), ``series`` (label and
    values, one for each x, null where nothing is known).
    """

    name: str
    title: str
    svg: Markup
    data: str = ""


def by_day(trails: Trails, kept: Iterable[Trail]) -> tuple[list[Figure], list[list[str]]]:
    """What happened day by day (UTC), as figures and as the rows of a table."""
    days: dict[date, list[Trail]] = defaultdict(list)
    for trail in kept:
        days[datetime.fromtimestamp(trail.at, UTC).date()].append(trail)
    if not days:
        return [], []
    first = min(days)
    span = [first + timedelta(days=n) for n in range((max(days) - first).days + 1)]
    measured = [measure(trails, days.get(day, ())) for day in span]
    names = [day.isoformat() for day in span]
    x = [int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) for day in span]
    verdicts = {v: [m.verdicts.get(v, 0) for m in measured] for v in VERDICTS}
    asked = [m.escalation.hits for m in measured]
    rates = {
        "escalation": [_percent(m.escalation) for m in measured],
        "override": [_percent(m.override) for m in measured],
        "rubber stamps": [_percent(m.rubber_stamp) for m in measured],
    }
    times = {
        "until answered": [round(m.resolution.p50 / 60, 2) if m.resolution.n else None for m in measured],
        "looked at": [round(m.look.p50 / 60, 2) if m.look.n else None for m in measured],
    }
    figures = [
        _figure("calls", "Calls a day", columns("Calls a day", names, verdicts, asked), "stacked", "", x, verdicts),
        _figure("rates", "Rates", lines("Rates", names, rates, "%"), "lines", "%", x, rates),
        _figure("times", "Median times", lines("Median times", names, times, "minutes"), "lines", "min", x, times),
    ]
    rows = [[day, *cells] for day, m in zip(names, measured, strict=True) if (cells := _cells(m))[0] != "0"]
    return figures, rows[::-1]


def by_group(title: str, groups: Sequence[tuple[str, Measures]], shown: Callable[[str], str]) -> Figure:
    """Calls of each group by verdict."""
    rows = [(shown(name), {v: m.verdicts.get(v, 0) for v in VERDICTS}) for name, m in groups[:_BARS]]
    # drawn by our own code from numbers, everything else escaped there
    return Figure(name="groups", title=title, svg=Markup(bars(title, rows)))  # noqa: S704


def _figure(name: str, title: str, svg: str, kind: str, unit: str, x: list[int], values: dict[str, Any]) -> Figure:
    series = [{"label": label, "values": found} for label, found in values.items()]
    data = msgspec.json.encode({"kind": kind, "unit": unit, "x": x, "series": series}).decode()
    said = f"{title} ({unit})" if unit else title
    return Figure(name=name, title=said, svg=Markup(svg), data=data)  # noqa: S704 - as above


def _percent(ratio: Ratio) -> float | None:
    return None if ratio.value is None else round(ratio.value * 100, 1)


def _cells(m: Measures) -> list[str]:
    counts = Counter(m.verdicts)
    rates = [_percent(r) for r in (m.escalation, m.override, m.rubber_stamp)]
    return [
        str(m.calls),
        *(str(counts[v]) for v in VERDICTS),
        *("-" if rate is None else f"{rate:.1f} %" for rate in rates),
        f"{m.resolution.p50:.0f} s" if m.resolution.n else "-",
    ]
