"""A human at a terminal: what a review looks like, and how it is answered."""

from hitl_opa.terminal.reviewer import TerminalReviewer

__all__ = ["TerminalReviewer"]
