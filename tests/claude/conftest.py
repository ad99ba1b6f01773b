"""Guards whose engine decides by a word in the call, for agents that run on the real CLI."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from doubles import FakeEngine, ask, decision

from hitl_opa.audit import AuditLog
from hitl_opa.config import Config
from hitl_opa.guard import Guard
from hitl_opa.testing import AgentRun, Sandbox, run_agent

Agent = Callable[..., Awaitable[AgentRun]]


def by_word(document: bytes) -> bytes:
    """Deny calls with "DENY" in their input, ask about those with "ASK", allow the rest."""
    text = json.dumps(json.loads(document)["call"]["input"])
    if "DENY" in text:
        return decision("deny", "high")
    return ask("medium") if "ASK" in text else decision()


@pytest.fixture
def audit() -> Iterator[AuditLog]:
    with AuditLog.open(":memory:") as log:
        yield log


@pytest.fixture
def make_guard(audit: AuditLog) -> Callable[..., Guard]:
    def make(*answers: Any, **settings: Any) -> Guard:
        config = Config(**{"deadline": 5.0, "attended": 20.0, **settings})
        return Guard(engine=FakeEngine(*(answers or (by_word,))), audit=audit, config=config)

    return make


@pytest.fixture
def guard(make_guard: Callable[..., Guard]) -> Guard:
    return make_guard()


@pytest.fixture
def sandbox(hitl_sandbox: Sandbox) -> Sandbox:
    return hitl_sandbox


@pytest.fixture
def agent(sandbox: Sandbox) -> Agent:
    async def run(*turns: Any, **settings: Any) -> AgentRun:
        result = await run_agent([*turns, "done"], **{"sandbox": sandbox, **settings})
        assert result.error is None
        return result

    return run
