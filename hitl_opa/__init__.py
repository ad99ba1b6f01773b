"""hitl-opa: humans in the loop where it matters, as policy-as-code.

A tool call becomes an input document, Rego turns it into `allow`, `ask` or `deny`, and a thin
adapter enforces that. The names below load on first use, so importing the package stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hitl_opa.errors import Denied, HitlError
    from hitl_opa.guard import Guard
    from hitl_opa.model import Decision, PermissionMode, Risk, Session, ToolCall, Verdict
    from hitl_opa.terminal import TerminalReviewer

__version__ = "0.1.0"

_HOMES = {
    "Decision": "hitl_opa.model",
    "Denied": "hitl_opa.errors",
    "Guard": "hitl_opa.guard",
    "HitlError": "hitl_opa.errors",
    "PermissionMode": "hitl_opa.model",
    "Risk": "hitl_opa.model",
    "Session": "hitl_opa.model",
    "TerminalReviewer": "hitl_opa.terminal",
    "ToolCall": "hitl_opa.model",
    "Verdict": "hitl_opa.model",
}

__all__ = [
    "Decision",
    "Denied",
    "Guard",
    "HitlError",
    "PermissionMode",
    "Risk",
    "Session",
    "TerminalReviewer",
    "ToolCall",
    "Verdict",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
