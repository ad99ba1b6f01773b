"""Facts of one command, on a machine that does not exist unless the test says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hitl_opa.facts import Known, read_facts
from hitl_opa.model import Facts, ToolCall

HOME = "/home/dev"
PROJECT = f"{HOME}/project"


@pytest.fixture
def facts_of() -> Callable[..., Facts]:
    def read(
        command: str | dict[str, Any],
        tool: str = "Bash",
        *,
        known: Known | None = None,
        cwd: str = PROJECT,
        workspace: str = PROJECT,
        home: str = HOME,
    ) -> Facts:
        arguments = {"command": command} if isinstance(command, str) else command
        call = ToolCall(tool=tool, input=arguments, cwd=cwd, workspace=workspace, home=home)
        return read_facts(call, known or Known())[1]

    return read
