"""A `Summary` as JUnit, SARIF and Markdown."""

from __future__ import annotations

from hitl_opa.replay.reports.junit import junit
from hitl_opa.replay.reports.markdown import markdown
from hitl_opa.replay.reports.sarif import sarif

__all__ = ["junit", "markdown", "sarif"]
