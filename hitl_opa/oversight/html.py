"""An oversight record as one HTML file: no script, nothing from elsewhere, fit to print."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from hitl_opa.oversight.gather import Oversight
from hitl_opa.oversight.sections import Chart, Section, Table, sections

_ROW = ' scope="row"'
_SHORT = 24  # characters of a cell that stay on a line
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #5a5a5a; }
@media (prefers-color-scheme: dark) { :root { --dim: #b0b0b0; } }
html { background: Canvas; color: CanvasText; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
main { overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
h2 small { font-weight: normal; color: var(--dim); font-size: 0.8rem; margin-left: 0.6rem; }
.scroll { overflow-x: auto; margin: 0.8rem 0; } :focus-visible { outline: 3px solid; outline-offset: 2px; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { border-bottom: 1px solid var(--line); padding: 0.3rem 0.8rem 0.3rem 0; text-align: left; vertical-align: top; }
th[scope=row] { font-weight: normal; }
.short { white-space: nowrap; } .long { min-width: 9rem; overflow-wrap: anywhere; }
figure { margin: 1rem 0; overflow-x: auto; } svg { width: 100%; min-width: 34rem; height: auto; }
@media print {
  body { margin: 0; } h2 { break-after: avoid; } tr, figure { break-inside: avoid; } svg { min-width: 0; }
  .scroll, figure { overflow: visible; } .short { white-space: normal; }
}
"""


def as_html(found: Oversight) -> str:
    """The whole page."""
    title = escape(f"Oversight record of {found.agent}")
    body = "".join(part for section in sections(found) for part in _section(section))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{body}</main></body></html>\n"
    )


def _section(section: Section) -> Iterator[str]:
    law = f"<small>{escape(section.law)}</small>" if section.law else ""
    yield f"<section><h2>{escape(section.title)}{law}</h2>"
    for part in section.parts:
        match part:
            case Table():
                yield _table(part, section.title)
            case Chart():
                yield f'<figure tabindex="0" role="group" aria-label="{escape(part.title)}">{part.svg}</figure>'
            case _:
                yield f"<p>{escape(part)}</p>"
    yield "</section>"


def _table(table: Table, about: str) -> str:
    head = "".join(f'<th scope="col" class="short">{escape(name)}</th>' for name in table.head)
    rows = "".join(
        f"<tr>{_cell('th', first, _ROW)}{''.join(_cell('td', cell) for cell in rest)}</tr>"
        for first, *rest in table.rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(about)}"><table>'
        f"{f'<thead><tr>{head}</tr></thead>' if any(table.head) else ''}<tbody>{rows}</tbody></table></div>"
    )


def _cell(tag: str, text: str, more: str = "") -> str:
    kind = "short" if len(text) <= _SHORT else "long"
    return f'<{tag} class="{kind}"{more}>{escape(text)}</{tag}>'
