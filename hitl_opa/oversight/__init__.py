"""One agent's oversight record for a period: what it did, who looked, what they said, and what came of it.

`gather` collects it from the record; `as_html` and `as_markdown` write it, charts included.
"""

from __future__ import annotations

from hitl_opa.oversight.gather import Oversight, gather
from hitl_opa.oversight.html import as_html
from hitl_opa.oversight.markdown import as_markdown

__all__ = ["Oversight", "as_html", "as_markdown", "gather"]
