"""A terminal for tests: a pty whose screen is read and whose keys are pressed by the test."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import termios
from collections.abc import Iterator
from typing import Any

import pytest

from hitl_opa.model import (
    CallFacts,
    Command,
    Context,
    Decision,
    Document,
    Effect,
    Facts,
    Obligation,
    Question,
    Reason,
    ReviewRequest,
    Risk,
    Target,
    ToolCall,
    Verb,
    Verdict,
)
from hitl_opa.terminal import TerminalReviewer

ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Screen:
    """The human's side of a pty."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        self.path = os.ttyname(self.slave)
        self.raw = ""

    def reviewer(self, **settings: Any) -> TerminalReviewer:
        return TerminalReviewer(
            **{"name": "ann", "terminal": self.path, "editor": "", "grace": 0.01, "columns": 80, **settings}
        )

    @property
    def text(self) -> str:
        """What was written so far, without colours."""
        while select.select([self.master], [], [], 0)[0]:
            self.raw += os.read(self.master, 65536).decode()
        return ANSI.sub("", self.raw).replace("\r\n", "\n")

    async def until(self, text: str, seconds: float = 10) -> str:
        """Wait until the screen shows ``text``; what is there then is taken off it."""
        async with asyncio.timeout(seconds):
            while text not in self.text:  # noqa: ASYNC110 - a terminal tells nobody
                await asyncio.sleep(0.005)
        shown = self.text
        self.raw = ""
        return shown

    async def prompt(self) -> str:
        """Wait until a key or a line is wanted, and nothing is thrown away any more."""
        shown = await self.until("\n> ")
        await asyncio.sleep(0.02)
        return shown

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def modes(self) -> list[Any]:
        return termios.tcgetattr(self.slave)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    made = Screen()
    yield made
    os.close(made.master)
    os.close(made.slave)


def request_of(
    tool: str = "Bash",
    kind: str = "shell",
    *,
    facts: Facts | None = None,
    cwd: str = "/home/me/project",
    obligations: list[Obligation] | None = None,
    clarify: list[Question] | None = None,
    typed: str = "",
    rationale: str = "",
    risk: Risk = Risk.HIGH,
    **fields: Any,
) -> ReviewRequest:
    """A request for a review as the guard makes it; ``fields`` are the call's input."""
    given = fields or {"command": "rm -rf build"}
    call = ToolCall(tool=tool, input=given, cwd=cwd, workspace=cwd)
    found = facts or Facts(
        effects=[
            Effect(
                verb=Verb.DELETE,
                target=Target(type="path", value="build", real=f"{cwd}/build", place="workspace", inside=True),
                via="rm",
                traits=["recursive"],
            )
        ],
        commands=[Command(program="rm", args=["-rf", "build"])],
    )
    reason = Reason(
        rule="files.bulk",
        pack="files",
        verdict=Verdict.ASK,
        risk=risk,
        message="This deletes a lot.",
        remedy="Delete less.",
    )
    return ReviewRequest(
        id="1",
        call=call,
        document=Document(
            call=CallFacts(id="1", tool=tool, kind=kind, input=given),
            facts=found,
            context=Context(cwd=cwd, workspace=cwd),
        ),
        decision=Decision(
            verdict=Verdict.ASK, risk=risk, reason=reason.message, reasons=[reason], obligations=obligations or []
        ),
        questions=[Question(question="Approve?"), *(clarify or [])],
        typed=typed,
        rationale=rationale,
    )


@pytest.fixture
def ask() -> Any:
    return request_of
