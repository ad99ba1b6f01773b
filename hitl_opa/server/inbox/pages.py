"""Pages from templates, and the headers that every one of them has. The only module that knows Jinja."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from hitl_opa.server.inbox.visitor import Visitor
from hitl_opa.terminal.text import visible

HERE = Path(__file__).parent
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex",
}


class Pages:
    """Renders the templates beside this module. Text that is not ours is made `visible`, then escaped."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(shown=shown, sentence=sentence, moment=moment, left=left, ago=ago)

    def page(self, template: str, visitor: Visitor | None, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page."""
        text = self._templates.get_template(template).render(visitor=visitor, **values)
        return HTMLResponse(text, status, headers=HEADERS)


def shown(value: Any) -> str:
    """Text from outside: what is invisible in it spelled out, line ends kept."""
    return visible(str(value), keep="\n")


def sentence(value: Any) -> str:
    """As `shown`, with a capital letter to begin with; what follows is as it was, names of files among it."""
    text = shown(value)
    return text[:1].upper() + text[1:]


def moment(seconds: float) -> str:
    """A time as the record writes it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}Z" if seconds else "-"


def left(seconds: float) -> str:
    """How long that is, in one unit."""
    if seconds <= 0:
        return "no time"
    for unit, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            count = round(seconds / unit)
            return f"{count} {name}{'s' * (count != 1)}"
    return f"{max(1, round(seconds))} seconds"


def ago(seconds: float) -> str:
    """The same, looking back."""
    return "just now" if seconds < 5 else f"{left(seconds)} ago"
