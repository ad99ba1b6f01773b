"""The record: who decided what, on which input, what they saw, how long it took, how it ended.

`AuditLog` appends durably to RFC 9162 Merkle trees in SQLite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hitl_opa.audit.canonical import canonical, digest
from hitl_opa.audit.filter import Filter
from hitl_opa.audit.leaf import UNNAMED, Event, Kind, Receipt, Record, Redact, Suspect
from hitl_opa.audit.log import AuditLog
from hitl_opa.audit.report import Damage, Problem, Report, StreamHead
from hitl_opa.audit.stream import Stream

if TYPE_CHECKING:
    from hitl_opa.audit.export import verify

__all__ = [
    "UNNAMED",
    "AuditLog",
    "Damage",
    "Event",
    "Filter",
    "Kind",
    "Problem",
    "Receipt",
    "Record",
    "Redact",
    "Report",
    "Stream",
    "StreamHead",
    "Suspect",
    "canonical",
    "digest",
    "verify",
]


def __getattr__(name: str) -> Any:
    # who only writes a record need not load what checks one
    if name == "verify":
        from hitl_opa.audit.export import verify

        return verify
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
