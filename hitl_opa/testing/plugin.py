"""The pytest plugin that comes with hitl-opa.

Fixtures: ``hitl_guard`` makes guards, ``hitl_sandbox`` is a throw-away place for an agent, and
``hitl_agent`` runs one there. ``_test.rego`` files are collected, each Rego test as an item of its
own; the setting ``hitl_policies`` lists the directories whose policies belong together (default: the
directory of the test file), and ``hitl_rego = false`` leaves ``_test.rego`` files alone.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hitl_opa.testing.rego_items import POLICIES, SUFFIX, RegoFile, Suites

if TYPE_CHECKING:
    from hitl_opa.guard import Guard
    from hitl_opa.testing.agent import AgentRun
    from hitl_opa.testing.sandbox import Sandbox

_SUITES = pytest.StashKey[Suites]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(POLICIES, "directories of policies that are tested together, on top of the shipped ones", "paths", [])
    parser.addini("hitl_rego", "collect _test.rego files", "bool", True)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SUITES] = Suites(list(config.getini(POLICIES)))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> RegoFile | None:
    if not file_path.name.endswith(SUFFIX) or not parent.config.getini("hitl_rego"):
        return None
    file: RegoFile = RegoFile.from_parent(parent, path=file_path)
    file.suites = parent.config.stash[_SUITES]
    return file


@pytest.fixture
def hitl_sandbox(tmp_path: Path) -> Sandbox:
    """Throw-away home, configuration and working directory for an agent."""
    from hitl_opa.testing.sandbox import Sandbox

    return Sandbox(tmp_path / "agent")


@pytest.fixture
def hitl_guard() -> Iterator[Callable[..., Guard]]:
    """Makes guards: ``hitl_guard(level=2)`` takes what `Guard.open` takes. The record is in memory unless named."""
    from hitl_opa.guard import Guard

    opened: list[Guard] = []

    def make(source: str | Path | None = None, **settings: Any) -> Guard:
        guard = Guard.open(source, **{"audit": ":memory:", **settings})
        opened.append(guard)
        return guard

    yield make
    for guard in opened:
        guard.audit.close()


@pytest.fixture
def hitl_agent(hitl_sandbox: Sandbox) -> Callable[..., Awaitable[AgentRun]]:
    """`hitl_opa.testing.run_agent`, in this test's sandbox."""
    from hitl_opa.testing.agent import run_agent

    return functools.partial(run_agent, sandbox=hitl_sandbox)
