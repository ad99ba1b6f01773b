"""Approvals in a database of each kind, a clock that is moved by hand, and guards that keep approvals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from doubles import FakeEngine, referee

from hitl_opa.approvals.approvals import Approvals
from hitl_opa.audit import AuditLog
from hitl_opa.config import Config
from hitl_opa.guard import Guard


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 5, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def audit(database: str) -> Iterator[AuditLog]:
    with AuditLog.open(database) as log:
        yield log


@pytest.fixture
def approvals(audit: AuditLog, clock: Clock) -> Approvals:
    return Approvals.open(audit, redact=lambda value: value, clock=clock, referee=referee())


@pytest.fixture
def make_guard(audit: AuditLog, approvals: Approvals, clock: Clock) -> Callable[..., Guard]:
    """A guard as a process of its own has it: another one on the same record is another process later."""

    def make(*answers: Any, **settings: Any) -> Guard:
        config = Config(**{"deadline": 5.0, "attended": 0.05, **settings})
        return Guard(engine=FakeEngine(*answers), audit=audit, config=config, approvals=approvals, clock=clock)

    return make
