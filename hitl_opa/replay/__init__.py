"""Recorded calls through another policy: which verdicts change, and whether that is wider or tighter.

Calls come from the record, an export of it, OPA decision logs, OpenTelemetry, or transcripts of
Claude Code (`hitl_opa.replay.imports`). `Replay` judges each again, `Summary` says what changed, and
`hitl_opa.replay.reports` writes that for people, CI and code review.
"""

from __future__ import annotations

from hitl_opa.replay.recorded import Recorded, Said, recorded
from hitl_opa.replay.replay import Replay, Replayed
from hitl_opa.replay.summary import Direction, Example, Group, Summary, summarise

__all__ = [
    "Direction",
    "Example",
    "Group",
    "Recorded",
    "Replay",
    "Replayed",
    "Said",
    "Summary",
    "recorded",
    "summarise",
]
