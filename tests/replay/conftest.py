from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hitl_opa.audit import AuditLog
from hitl_opa.replay import Recorded, Replayed, Said

DOCUMENT = b'{"version":"1","call":{"tool":"Bash","input":{"command":"ls"}},"agent":{"level":1}}'
ALLOWED = Said(verdict="allow", risk="low", rules=("a.one",))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    with AuditLog.open(tmp_path / "audit.db") as log:
        yield log


@pytest.fixture
def call() -> Callable[..., Recorded]:
    """A recorded call that was allowed by ``a.one``."""

    def make(number: int = 0, said: Said | None = ALLOWED, **fields: Any) -> Recorded:
        return Recorded(**{"id": f"d{number}", "tool": "Bash", "document": DOCUMENT, "said": said, **fields})

    return make


@pytest.fixture
def changed(call: Callable[..., Recorded]) -> Callable[..., Replayed]:
    """A call that was decided as ``before`` and is decided as ``after``: words such as ``ask:2:rule``."""

    def said(text: str) -> Said:
        verdict, quorum, *rules = text.split(":")
        return Said(verdict=verdict, risk="low", quorum=int(quorum or 0), rules=tuple(rules))

    def make(before: str, after: str, **fields: Any) -> Replayed:
        return Replayed(call(said=said(before), **fields), said(after))

    return make
