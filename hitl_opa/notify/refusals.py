"""What is refused is put on record, and cannot fill it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.errors import AuditError
from hitl_opa.guard.log import open_log

PER_MINUTE = 30


class Refusals:
    """Records links, buttons and webhooks that were refused. Anybody who reaches the server can make
    such requests: beyond `PER_MINUTE` they are counted, and the count is recorded with the next one."""

    def __init__(self, audit: AuditLog, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._audit = audit
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._since = monotonic()
        self._written = 0
        self._unwritten = 0

    def record(self, what: str, why: str, *, approval: str = "", address: str = "") -> None:
        """``what``: ``slack-button``, ``review-link`` or ``webhook``. Without the record it is refused all the same."""
        with self._lock:
            if self._monotonic() - self._since >= 60:
                self._since, self._written = self._monotonic(), 0
            if self._written >= PER_MINUTE:
                self._unwritten += 1
                return
            self._written += 1
            unwritten, self._unwritten = self._unwritten, 0
        extra = {"refused": what, **({"approval": approval} if approval else {})}
        if unwritten:
            extra["not_recorded_before"] = str(unwritten)
        try:
            self._audit.append(Event(kind=Kind.NOTE, extra=extra, detail={"why": why, "from": address}))
        except AuditError as error:
            open_log().error("refusal_not_recorded", refused=what, why=why, error=str(error))
