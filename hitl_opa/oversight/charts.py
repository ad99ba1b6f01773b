"""Charts as SVG, drawn here: no script, no fonts from elsewhere, readable without colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 720, 220, 48, 44, 28
_COLOURS = {"allow": "#4c78a8", "ask": "#b07d00", "deny": "#c0392b", "asked": "currentColor"}
_OTHER = "#4c78a8"
_DASHES = ("none", "6 3", "2 3")
_NAME = 90  # characters of a name that fit above its bar
_TICKS = 4
_MAX_BARS = 62


def columns(title: str, names: Sequence[str], values: Mapping[str, Sequence[int]], line: Sequence[int] = ()) -> str:
    """Stacked columns, one a name; ``line`` is drawn over them as ``asked``. Too many are summed up in groups."""
    names, values, line = _grouped(names, values, line)
    tops = [sum(series[at] for series in values.values()) for at in range(len(names))]
    top = _round(max([*tops, *line, 1]))
    wide = (_WIDTH - _LEFT - 8) / max(len(names), 1)
    parts = [_axis(top)]
    for at, name in enumerate(names):
        base = 0
        for kind, series in values.items():
            if series[at]:
                y, high = _y(base + series[at], top), _y(base, top) - _y(base + series[at], top)
                said = escape(f"{name}: {series[at]} {kind}")
                parts.append(
                    f'<rect x="{_LEFT + at * wide + wide * 0.12:.1f}" y="{y:.1f}" width="{wide * 0.76:.1f}" '
                    f'height="{high:.1f}" fill="{_COLOURS.get(kind, _OTHER)}"><title>{said}</title></rect>'
                )
            base += series[at]
    parts.append(_names(names, wide))
    if line:
        points = " ".join(f"{_LEFT + (at + 0.5) * wide:.1f},{_y(value, top):.1f}" for at, value in enumerate(line))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{_COLOURS["asked"]}" stroke-width="2"/>')
    return _svg(title, "".join(parts) + _legend(list(values), line="a person was asked" if line else ""))


def bars(title: str, rows: Sequence[tuple[str, Mapping[str, int]]]) -> str:
    """A bar a row, its parts beside each other, its name above it."""
    kinds = list(dict.fromkeys(kind for _, values in rows for kind in values))
    top = max([sum(values.values()) for _, values in rows] + [1])
    parts, y = [], _TOP + 8
    for name, values in rows:
        x, total = 8.0, sum(values.values())
        shown = name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
        parts.append(
            f'<text x="8" y="{y + 10}"><title>{escape(name)}</title>{escape(shown)}</text>'
            f'<text x="{_WIDTH - 8}" y="{y + 10}" text-anchor="end">{total:,}</text>'
        )
        for kind, value in values.items():
            wide = value / top * (_WIDTH - 16)
            if value:
                said = escape(f"{name}: {value} {kind}")
                parts.append(
                    f'<rect x="{x:.1f}" y="{y + 15}" width="{wide:.1f}" height="9" '
                    f'fill="{_COLOURS.get(kind, _OTHER)}"><title>{said}</title></rect>'
                )
            x += wide
        y += 34
    height = y + 24
    return _svg(title, "".join(parts) + _legend(kinds, height, 8), height, 8)


def lines(title: str, names: Sequence[str], values: Mapping[str, Sequence[float | None]], unit: str) -> str:
    """A line a kind, each with a dash of its own, over days; what is None is left out."""
    known = [v for series in values.values() for v in series if v is not None]
    top = 100 if unit == "%" else _round(max(1, -int(-max(known, default=1))))
    wide = (_WIDTH - _LEFT - 8) / max(len(names), 1)
    parts = [_axis(top)]
    for number, (kind, series) in enumerate(values.items()):
        points = [
            f"{_LEFT + (at + 0.5) * wide:.1f},{_y(min(value, top), top):.1f}"
            for at, value in enumerate(series)
            if value is not None
        ]
        colour, dash = list(_COLOURS.values())[number % 3], _DASHES[number % len(_DASHES)]
        parts.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"><title>{escape(kind)}</title></polyline>'
        )
        x = _LEFT + 150 * number
        parts.append(
            f'<line x1="{x}" x2="{x + 24}" y1="{_HEIGHT - 11}" y2="{_HEIGHT - 11}" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/><text x="{x + 30}" y="{_HEIGHT - 7}">{escape(kind)}</text>'
        )
    parts.append(_names(names, wide))
    return _svg(f"{title} ({unit})", "".join(parts))


def _grouped(
    names: Sequence[str], values: Mapping[str, Sequence[int]], line: Sequence[int]
) -> tuple[Sequence[str], Mapping[str, Sequence[int]], Sequence[int]]:
    size = -(-len(names) // _MAX_BARS)
    if size <= 1:
        return names, values, line
    starts = range(0, len(names), size)

    def summed(series: Sequence[int]) -> list[int]:
        return [sum(series[at : at + size]) for at in starts]

    return (
        [names[at] for at in starts],
        {kind: summed(series) for kind, series in values.items()},
        summed(line) if line else (),
    )


def _svg(title: str, body: str, height: int = _HEIGHT, left: int = _LEFT) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12" fill="currentColor">'
        f'<title>{escape(title)}</title><text x="{left}" y="16" font-weight="600">{escape(title)}</text>{body}</svg>'
    )


def _axis(top: int) -> str:
    parts = []
    for tick in range(_TICKS + 1):
        value = top * tick // _TICKS
        y = _y(value, top)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" opacity="0.15"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,}</text>'
        )
    return "".join(parts)


def _names(names: Sequence[str], wide: float) -> str:
    every = max(1, -(-80 // max(int(wide), 1)))
    y = _HEIGHT - _BOTTOM + 16
    return "".join(
        f'<text x="{_LEFT + (at + 0.5) * wide:.1f}" y="{y}" text-anchor="middle">{escape(name)}</text>'
        for at, name in enumerate(names)
        if at % every == 0 and _LEFT + (at + 0.5) * wide + 3.5 * len(name) < _WIDTH
    )


def _legend(kinds: Sequence[str], height: int = _HEIGHT, left: int = _LEFT, line: str = "") -> str:
    parts, x = [], float(left)
    for kind in kinds:
        mark = f'<rect x="{x:.0f}" y="{height - 16}" width="10" height="10" fill="{_COLOURS.get(kind, _OTHER)}"/>'
        parts.append(f'{mark}<text x="{x + 14:.0f}" y="{height - 7}">{escape(kind)}</text>')
        x += 30 + 7 * len(kind)
    if line:
        mark = f'<path d="M{x:.0f} {height - 11}h24" fill="none" stroke="{_COLOURS["asked"]}" stroke-width="2"/>'
        parts.append(f'{mark}<text x="{x + 30:.0f}" y="{height - 7}">{escape(line)}</text>')
    return "".join(parts) if len(kinds) > 1 or line else ""


def _y(value: float, top: int) -> float:
    return _TOP + (_HEIGHT - _BOTTOM - _TOP) * (1 - value / top)


def _round(value: int) -> int:
    """A top of the axis that its ticks divide."""
    step = _TICKS
    while step * 10 <= value:
        step *= 10
    return -(-value // step) * step
