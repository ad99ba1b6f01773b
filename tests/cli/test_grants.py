"""``hitl-opa grants``: visible, and ended when somebody says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from hitl_opa.cli import person
from hitl_opa.config import load_config
from hitl_opa.guard import Guard
from hitl_opa.model import Session, ToolCall

Run = Callable[..., Result]


@pytest.fixture
def settings(run: Run, tmp_path: Path) -> Path:
    path = tmp_path / "hitl.yaml"
    path.write_text("level: 2\ndurable: true\n")
    return path


def verdict(settings: Path, session: str = "s2") -> str:
    call = ToolCall(
        tool="Bash",
        input={"command": "mkdir made"},
        cwd=str(settings.parent),
        session=Session(id=session, principal="anna"),
    )
    guard = Guard.open(load_config(settings))
    try:
        return str(guard.rule_sync(call).decision.verdict)
    finally:
        guard.close_sync()


async def waiting(settings: Path) -> str:
    call = ToolCall(
        tool="Bash",
        input={"command": "mkdir made"},
        cwd=str(settings.parent),
        session=Session(id="s1", principal="anna", unattended=True),
    )
    async with Guard.open(load_config(settings)) as guard:
        return (await guard.resolve(await guard.rule(call))).pending


async def test_given_listed_used_and_revoked(run: Run, settings: Path) -> None:
    id = await waiting(settings)
    assert "No grant is in force" in run("grants", "list").output
    for wrong in (["--uses", "3"], ["--alike"], ["--grant", "soon"]):
        assert run("approvals", "approve", id, "--yes", *wrong).exit_code == 2
    done = run("approvals", "approve", id, "--yes", "--grant", "8h", "--uses", "3", "--alike")
    assert done.exit_code == 0, done.output
    assert verdict(settings) == "allow"
    (grant,) = json.loads(run("grants", "list", "--json").output)
    assert (grant["state"], grant["uses"], grant["max_uses"], grant["kind"]) == ("in force", 1, 3, "scope")
    assert (grant["reviewer"], grant["approval"]) == (person.login(), id)
    row = run("grants", "list").output
    assert "1 of 3" in row
    assert "write path workspace" in row
    shown = run("grants", "show", grant["id"][:8]).output
    assert "autonomy.level" in shown
    assert f"approval {id}" in shown
    assert "revoked" in run("grants", "revoke", grant["id"][:8]).output
    again = run("grants", "revoke", grant["id"])
    assert (again.exit_code, "is revoked already" in again.output) == (2, True)
    assert verdict(settings) == "ask"
    assert json.loads(run("grants", "list", "--json").output) == []
    assert json.loads(run("grants", "list", "--all", "--json").output)[0]["state"] == "revoked"
    assert run("grants", "show", "zz").exit_code == 2
