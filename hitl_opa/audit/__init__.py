"""The record: who decided what, on which input, what they saw, how long it took, how it ended.

`AuditLog` appends durably to RFC 9162 Merkle trees in SQLite.
"""

from __future__ import annotations

from hitl_opa.audit.canonical import canonical, digest
from hitl_opa.audit.export import verify
from hitl_opa.audit.filter import Filter
from hitl_opa.audit.leaf import Event, Kind, Receipt, Record, Redact, Suspect
from hitl_opa.audit.log import AuditLog
from hitl_opa.audit.report import Damage, Problem, Report, StreamHead
from hitl_opa.audit.stream import Stream

__all__ = [
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
