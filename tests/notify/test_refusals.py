"""What is refused is on record, and cannot fill it."""

from __future__ import annotations

from hitl_opa.audit import AuditLog
from hitl_opa.notify.refusals import PER_MINUTE, Refusals


def test_a_flood_is_counted(audit: AuditLog) -> None:
    now = [0.0]
    refusals = Refusals(audit, monotonic=lambda: now[0])
    for _ in range(PER_MINUTE + 500):
        refusals.record("webhook", "forged", address="203.0.113.9")
    assert len(list(audit.records())) == PER_MINUTE
    now[0] = 61.0
    refusals.record("webhook", "forged", address="203.0.113.9")
    *_, last = audit.records()
    assert last.get("extra") == {"refused": "webhook", "not_recorded_before": "500"}
    assert last.payload == {"detail": {"why": "forged", "from": "203.0.113.9"}}
