"""``hitl-opa jobs`` and ``approvals prune``: what was given up is seen and done again, what is over goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from hitl_opa.approvals import State
from hitl_opa.approvals.job import NOTIFY
from hitl_opa.approvals.outbox import Outbox
from hitl_opa.config import load_config
from hitl_opa.guard import Guard

Run = Callable[..., Result]


async def asked(tmp_path: Path) -> str:
    async with Guard.open(load_config(tmp_path / "hitl.yaml")) as guard:
        await guard.execute_with_approval(lambda: None, risk="high", name="deploy")
        assert guard.approvals is not None
        (found,) = guard.approvals.listed(frozenset({State.PENDING}))
    return found.id


@pytest.fixture
def waiting(tmp_path: Path) -> str:
    (tmp_path / "hitl.yaml").write_text("level: 2\ndurable: true\n")
    return asyncio.run(asked(tmp_path))


def bury(tmp_path: Path) -> None:
    guard = Guard.open(load_config(tmp_path / "hitl.yaml"))
    assert guard.approvals is not None
    outbox = Outbox(guard.approvals.store)
    (job,) = outbox.claim([NOTIFY], now=1e12, lease=60.0, limit=1)
    assert outbox.bury(job, "nobody\x1b[2J there")
    guard.close_sync()


def test_what_was_given_up_is_seen_and_done_again(run: Run, tmp_path: Path, waiting: str) -> None:
    listed = run("jobs", "list")
    assert (listed.exit_code, "waits for a worker" in listed.output) == (0, True)
    assert run("jobs", "retry").output == "0 to be done again.\n"
    bury(tmp_path)
    listed = run("jobs", "list")
    assert (listed.exit_code, "given up" in listed.output, "\x1b[2J" in listed.output) == (1, True, False)
    (job,) = json.loads(run("jobs", "list", "--json").output)
    assert (job["approval"], job["kind"], job["dead"]) == (waiting, NOTIFY, True)
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json").output)["checks"]}
    assert checks["jobs"]["status"] == "warn"
    assert run("jobs", "retry", "zzz").exit_code == 2
    assert json.loads(run("jobs", "retry", waiting[:8], "--json").output) == {"retried": 1}
    assert run("jobs", "list").exit_code == 0
    run("worker", "--once")
    assert run("jobs", "list").output == "There is nothing to do.\n"
    assert "jobs" not in {check["name"] for check in json.loads(run("doctor", "--json").output)["checks"]}


def test_what_is_over_is_removed_and_that_is_on_record(run: Run, tmp_path: Path, waiting: str) -> None:
    later = ("--before", "2999-01-01")
    assert json.loads(run("approvals", "prune", *later, "--dry-run", "--json").output) == {"approvals": 0}
    assert run("approvals", "cancel", waiting).exit_code == 0
    assert run("approvals", "prune", "--before", "1d", "--dry-run").output.startswith("0 ")
    assert run("approvals", "prune", *later, input="n\n").exit_code == 1
    assert len(json.loads(run("approvals", "list", "--all", "--json").output)) == 1
    assert json.loads(run("approvals", "prune", *later, "--yes", "--json").output)["approvals"] == 1
    assert json.loads(run("approvals", "list", "--all", "--json").output) == []
    assert "pruned" in run("audit", "tail", "--json").output
    assert run("audit", "verify").exit_code == 0
    assert run("approvals", "prune", "--before", "soon").exit_code == 2
