"""A guard whose asks are answered at a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hitl_opa import Guard, TerminalReviewer, ToolCall


@pytest.fixture
async def guard() -> AsyncIterator[Guard]:
    async with Guard.open(level=1, audit=":memory:", attended=10.0) as made:
        yield made


def bash(command: str, cwd: Path) -> ToolCall:
    return ToolCall(tool="Bash", input={"command": command}, cwd=str(cwd))


async def answered(screen: Any, guard: Guard, call: ToolCall, *steps: str) -> Any:
    reviewer = screen.reviewer()
    task = asyncio.ensure_future(guard.resolve(await guard.rule(call), reviewer))
    for keys in steps:
        await screen.prompt()
        screen.type(keys)
    return await asyncio.wait_for(task, 10)


async def test_approved(screen: Any, guard: Guard, tmp_path: Path) -> None:
    outcome = await answered(screen, guard, bash("ls", tmp_path), "a")
    assert (outcome.allowed, outcome.input, outcome.by) == (True, {"command": "ls"}, "reviewer:ann")


async def test_the_reason_of_a_rejection_reaches_the_model(screen: Any, guard: Guard, tmp_path: Path) -> None:
    outcome = await answered(screen, guard, bash("ls", tmp_path), "r", "look elsewhere\n")
    assert not outcome.allowed
    assert "look elsewhere" in outcome.message


async def test_an_edit_runs_as_edited(screen: Any, guard: Guard, tmp_path: Path) -> None:
    outcome = await answered(screen, guard, bash("touch a", tmp_path), "e", "touch b\n", "y")
    assert (outcome.allowed, outcome.input) == (True, {"command": "touch b"})


async def test_an_edit_into_something_denied_is_denied(screen: Any, guard: Guard, tmp_path: Path) -> None:
    outcome = await answered(screen, guard, bash("touch a", tmp_path), "e", "rm -rf /\n", "y")
    assert not outcome.allowed
    assert "files.root" in outcome.message


async def test_an_edit_into_something_worse_asks_again(screen: Any, guard: Guard, tmp_path: Path) -> None:
    reviewer = screen.reviewer()
    task = asyncio.ensure_future(guard.resolve(await guard.rule(bash("touch a", tmp_path)), reviewer))
    for keys in ("e", "git push --force origin main\n", "y"):
        await screen.prompt()
        screen.type(keys)
    shown = await screen.prompt()
    assert "May the agent do this?" in shown
    assert "remotes.protected-history" in shown
    screen.type("r")
    await screen.prompt()
    screen.type("no\n")
    assert not (await asyncio.wait_for(task, 10)).allowed


async def test_a_standing_grant_covers_the_same_call_and_no_other(screen: Any, tmp_path: Path) -> None:
    async with Guard.open(level=2, audit=":memory:") as guard:
        outcome = await answered(screen, guard, bash("touch a", tmp_path), "g", "1")
        assert outcome.allowed
        assert (await guard.decide(bash("touch a", tmp_path))).verdict == "allow"
        assert (await guard.decide(bash("touch b", tmp_path))).verdict == "ask"


async def test_nobody_answers_in_time(screen: Any, tmp_path: Path) -> None:
    async with Guard.open(level=1, audit=":memory:", attended=0.3) as guard:
        before = screen.modes()
        outcome = await guard.resolve(await guard.rule(bash("ls", tmp_path)), screen.reviewer())
    assert not outcome.allowed
    assert "0.3 s" in outcome.message
    assert screen.modes() == before


async def test_without_a_terminal_the_call_is_denied_and_says_why(guard: Guard, tmp_path: Path) -> None:
    reviewer = TerminalReviewer(terminal=str(tmp_path / "none"))
    outcome = await guard.resolve(await guard.rule(bash("ls", tmp_path)), reviewer)
    assert not outcome.allowed
    assert "there is no terminal to ask on" in outcome.message
