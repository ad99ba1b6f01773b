"""Calls from other people's logs. `read` finds out what a file holds."""

from __future__ import annotations

from hitl_opa.replay.imports.read import Source, read

__all__ = ["Source", "read"]
