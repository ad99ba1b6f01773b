"""An oversight record as Markdown, its charts as SVG files beside it."""

from __future__ import annotations

from collections.abc import Iterator

from hitl_opa.markdown import plain
from hitl_opa.oversight.gather import Oversight
from hitl_opa.oversight.sections import Chart, Section, Table, sections


def as_markdown(found: Oversight, prefix: str = "") -> tuple[str, dict[str, str]]:
    """The text, and the SVG of each chart by file name; ``prefix`` starts the names. Without one, no charts."""
    charts: dict[str, str] = {}
    lines = [f"# Oversight record of {plain(found.agent)}", ""]
    for section in sections(found):
        lines += _section(section, prefix, charts)
    return "\n".join(lines), charts


def _section(section: Section, prefix: str, charts: dict[str, str]) -> Iterator[str]:
    yield f"## {plain(section.title)}"
    yield ""
    if section.law:
        yield f"_{plain(section.law)}_"
        yield ""
    for part in section.parts:
        match part:
            case Table():
                yield from _table(part)
            case Chart() if prefix:
                charts[f"{prefix}-{part.name}.svg"] = part.svg
                yield f"![{plain(part.title)}]({prefix}-{part.name}.svg)"
            case Chart():
                continue
            case _:
                yield plain(part)
        yield ""


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(plain, table.head))} |"
    yield f"|{'---|' * len(table.head)}"
    yield from (f"| {' | '.join(plain(cell) for cell in row)} |" for row in table.rows)
