"""The adapter for the Claude Agent SDK: options in, options out whose every tool call passes the guard."""

from __future__ import annotations

from hitl_opa.claude.callback import CallbackReviewer
from hitl_opa.claude.confidence import ConfidenceSource
from hitl_opa.claude.options import protect
from hitl_opa.claude.resume import NotDecided, Resumer, SessionBusy, resume
from hitl_opa.claude.transcripts import DatabaseSessionStore, FileSessionStore

__all__ = [
    "CallbackReviewer",
    "ConfidenceSource",
    "DatabaseSessionStore",
    "FileSessionStore",
    "NotDecided",
    "Resumer",
    "SessionBusy",
    "protect",
    "resume",
]
