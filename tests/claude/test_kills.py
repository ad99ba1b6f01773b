"""kill -9 of the agent's process, on the real CLI: while it waits, while the call runs, while it is told."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import killed
import pytest

from hitl_opa.approvals.approval import Approval, Person
from hitl_opa.approvals.states import State

pytestmark = [pytest.mark.cli, pytest.mark.timeout(300)]
RITA = Person(name="rita", auth="login")
LEASE_OVER = 5.0  # minutes: the lease of a process that was killed has run out by then


@pytest.fixture
def root(tmp_path: Path, database: str) -> Path:
    where = f"database: '{database}'" if "://" in database else "audit: record/hitl.db"
    (tmp_path / "hitl.yaml").write_text(f"level: 2\ndurable: true\n{where}\n")
    (tmp_path / "command").write_text(f"echo x >> {tmp_path}/effects")
    return tmp_path


@contextlib.contextmanager
def agent(root: Path, what: str, session: str = "-", minutes: float = 0.0, hang: str = "-") -> Iterator[Any]:
    """The process; killed with all of its own at the end of the context, if it has not ended."""
    command = [sys.executable, killed.__file__, str(root), what, session, str(minutes), hang]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, text=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(true: Callable[[], Any]) -> Any:
    for _ in range(1_200):
        if found := true():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come to that")


def approvals(root: Path, minutes: float = 0.0) -> list[Approval]:
    guard = killed.open_guard(root, minutes)
    try:
        assert guard.approvals is not None
        return guard.approvals.listed(frozenset(State))
    finally:
        guard.close_sync()


def approve(root: Path, minutes: float = 0.0) -> Approval:
    guard = killed.open_guard(root, minutes)
    try:
        assert guard.approvals is not None
        (waiting,) = guard.approvals.listed(frozenset({State.PENDING}))
        return guard.approvals.vote(waiting.id, RITA, approves=True)
    finally:
        guard.close_sync()


def asked(root: Path) -> str:
    """The session of a process that was killed while its call waited in the hook."""
    with agent(root, "ask"):
        until(lambda: approvals(root))
    (waiting,) = approvals(root)
    assert waiting.state is State.PENDING
    for folder in ("home", "config", "work"):  # what the machine had of it is gone
        shutil.rmtree(root / folder, ignore_errors=True)
    return waiting.session


def resumed(root: Path, session: str, minutes: float) -> dict[str, Any]:
    with agent(root, "resume", session, minutes) as process:
        said, _ = process.communicate(timeout=200)
    told: dict[str, Any] = json.loads(said)
    return told


def effects(root: Path) -> str:
    file = root / "effects"
    return file.read_text() if file.exists() else ""


def test_while_it_waits(root: Path) -> None:
    session = asked(root)
    approve(root)
    assert resumed(root, session, 0.0)["error"] == "NoneType"
    assert effects(root) == "x\n"
    assert resumed(root, session, 1.0)["error"] == "NotDecided"
    assert effects(root) == "x\n"


def test_while_the_call_runs(root: Path) -> None:
    (root / "command").write_text(f"echo x >> {root}/effects; sleep 20")
    session = asked(root)
    approval = approve(root)
    with agent(root, "resume", session):
        until(lambda: effects(root))
    (found,) = approvals(root)
    assert found.state is State.EXECUTING  # nobody knows how it ended, and nobody says that it did not run
    assert resumed(root, session, LEASE_OVER)["error"] == "NotDecided"
    assert effects(root) == "x\n"
    guard = killed.open_guard(root)
    assert guard.approvals is not None
    assert guard.approvals.reconcile(approval.id, RITA, "executed", "I looked.").state is State.EXECUTED
    guard.close_sync()


def test_while_it_is_told(root: Path) -> None:
    session = asked(root)
    approve(root)
    with agent(root, "resume", session, hang="hang"):
        until((root / "hangs").exists)
    assert effects(root) == ""
    assert approvals(root)[0].state is State.APPROVED
    assert resumed(root, session, LEASE_OVER)["error"] == "NoneType"
    assert effects(root) == "x\n"
    assert approvals(root)[0].state is State.EXECUTED
