"""A record in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from book import Book

from hitl_opa.audit import AuditLog


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with AuditLog.open(tmp_path / "hitl.db", labels={"agent": "bot", "agent_version": "1"}) as log:
        yield Book(log)
