"""Guards over engines that misbehave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from doubles import FakeEngine

from hitl_opa.audit import AuditLog
from hitl_opa.config import Config
from hitl_opa.guard import Guard


@pytest.fixture
def audit() -> Iterator[AuditLog]:
    with AuditLog.open(":memory:") as log:
        yield log


@pytest.fixture
def make_guard(audit: AuditLog) -> Callable[..., Guard]:
    def make(*answers: Any, **settings: Any) -> Guard:
        return Guard(engine=FakeEngine(*answers), audit=audit, config=Config(**{"deadline": 5.0, **settings}))

    return make
