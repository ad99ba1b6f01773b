"""Other people's text in Markdown: quoted so that it formats, links and mentions nothing."""

from __future__ import annotations

import re

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069]+")
_MEANING = re.compile(r"([\\`*_{}\[\]()#+!|<>@~$])")


def code(text: str) -> str:
    """As a code span that nothing in it can leave, in a table cell too."""
    shown = _UNSEEN.sub(" ", text).replace("|", "¦").strip() or " "
    ticks = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    padding = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{padding}{shown}{padding}{ticks}"


def plain(text: str) -> str:
    """As text without any meaning to Markdown, HTML or GitHub."""
    return _MEANING.sub(r"\\\1", _UNSEEN.sub(" ", text)).replace("\\@", "@\u2060")
