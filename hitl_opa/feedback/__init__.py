"""What people said of calls, turned into rules that somebody can read, test and adopt.

`cases` reads what was decided from the record, `suggest` finds what was decided the same way again and
again, and each `Suggestion` is a rule with its test and its backtest. Nothing is applied by itself.
"""

from __future__ import annotations

from hitl_opa.feedback.cases import Case, cases
from hitl_opa.feedback.pattern import Pattern
from hitl_opa.feedback.suggest import Backtest, Suggestion, Suggestions, suggest

__all__ = ["Backtest", "Case", "Pattern", "Suggestion", "Suggestions", "cases", "suggest"]
