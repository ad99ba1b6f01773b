"""Earned autonomy: how much each tool of an agent may do alone, from what people said of it so far."""

from __future__ import annotations

from hitl_opa.autonomy.evidence import Evidence
from hitl_opa.autonomy.ladder import LEVELS, Key, Move, Standing, climb

__all__ = ["LEVELS", "Evidence", "Key", "Move", "Standing", "climb"]
