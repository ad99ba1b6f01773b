from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.audit.keys import Keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.db"


@pytest.fixture
def log(path: Path) -> Iterator[AuditLog]:
    with AuditLog.open(path) as log:
        yield log


@pytest.fixture
def event() -> Callable[..., Event]:
    def make(number: int = 0, **fields: object) -> Event:
        values = {"tool": "Bash", "verdict": "allow", "session": f"s{number % 2}", "input": {"number": number}}
        return Event(kind=Kind.DECISION, decision_id=f"d{number}", **{**values, **fields})

    return make


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.new(tmp_path / "keys.json", "log")
