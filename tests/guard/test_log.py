"""One structured event a decision, for whoever listens, and no cost for nobody."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import LogCapture

from hitl_opa.config import Config
from hitl_opa.guard import Guard
from hitl_opa.model import ToolCall

CALL = ToolCall(tool="Read", input={"file_path": "a"}, cwd="/p")

QUIET = """
import sys
from hitl_opa import Guard, ToolCall
from hitl_opa.config import Config
guard = Guard.open(Config(audit=":memory:"))
guard.decide_sync(ToolCall(tool="Read", input={"file_path": "a"}, cwd="/p"))
guard.close_sync()
print("structlog" in sys.modules)
"""


@pytest.fixture
def guard() -> Iterator[Guard]:
    opened = Guard.open(Config(audit=":memory:", level=2))
    yield opened
    opened.close_sync()
    structlog.reset_defaults()


def test_nobody_listens() -> None:
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


def test_the_standard_library_listens(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    guard.decide_sync(CALL)
    assert caplog.records == []
    with caplog.at_level(logging.INFO, "hitl_opa"):
        decision = guard.decide_sync(CALL)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("hitl_opa", "INFO")
    assert "event='decision'" in record.getMessage()
    assert f"verdict='{decision.verdict}'" in record.getMessage()


def test_a_host_that_configures_structlog_gets_its_fields(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    capture = LogCapture()
    structlog.configure(processors=[capture])
    with caplog.at_level(logging.INFO, "hitl_opa"):
        guard.decide_sync(CALL)
    (entry,) = capture.entries
    assert (entry["event"], entry["tool"], entry["log_level"]) == ("decision", "Read", "info")
    assert caplog.records == []
