"""``hitl-opa approvals``: what a person sees, and what their word does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from hitl_opa.cli import approvals as command
from hitl_opa.config import load_config
from hitl_opa.guard import Guard, Outcome
from hitl_opa.model import Session, ToolCall

Run = Callable[..., Result]

SETTINGS = "level: 2\ndurable: true\n"


@pytest.fixture
def settings(run: Run, tmp_path: Path) -> Path:
    path = tmp_path / "hitl.yaml"
    path.write_text(SETTINGS)
    return path


def set_to(settings: Path, text: str) -> None:
    settings.write_text(text)


async def tries(settings: Path, command: str) -> Outcome:
    session = Session(id="s1", principal="anna", unattended=True)
    call = ToolCall(tool="Bash", input={"command": command}, cwd=str(settings.parent), session=session)
    async with Guard.open(load_config(settings)) as guard:
        return await guard.resolve(await guard.rule(call), rationale="please \x1b[2J")


def listed(run: Run, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("approvals", "list", "--json", *arguments).output)
    return found


async def test_list_show_approve(run: Run, settings: Path) -> None:
    await tries(settings, "mkdir made")
    (waiting,) = listed(run)
    assert (waiting["state"], waiting["principal"], waiting["outcome"]) == ("pending", "anna", "")
    row = run("approvals", "list").output
    assert waiting["id"][:8] in row
    assert "mkdir made" in row
    shown = run("approvals", "show", waiting["id"][:8]).output
    assert "mkdir made" in shown
    assert "unverified: please" in shown
    assert "\x1b" not in shown
    assert run("approvals", "approve", waiting["id"], input="n\n").exit_code == 1
    assert listed(run)[0]["state"] == "pending"
    done = run("approvals", "approve", waiting["id"], "--reason", "Go.", input="y\n")
    assert done.exit_code == 0
    assert "The call runs once" in done.output
    outcome = await tries(settings, "mkdir made")
    assert outcome.allowed
    assert outcome.by == f"reviewer:{command._login()}"
    (used,) = listed(run)
    assert (used["state"], used["outcome"]) == ("executing", "unknown")  # and it never reported back
    assert "outcome unknown" in run("approvals", "show", used["id"]).output
    again = run("approvals", "approve", waiting["id"], input="y\n")
    assert again.exit_code == 2
    assert "is executing already" in again.output


async def test_reject_and_cancel(run: Run, settings: Path) -> None:
    await tries(settings, "mkdir a")
    await tries(settings, "mkdir b")
    b, a = sorted(listed(run), key=lambda found: -found["requested_at"])
    said = run("approvals", "reject", a["id"], "--reason", "Not on a Friday.", "--json")
    assert json.loads(said.output)["state"] == "denied"
    assert "Not on a Friday." in (await tries(settings, "mkdir a")).message
    assert "cancelled" in run("approvals", "cancel", b["id"]).output
    assert listed(run) == []
    assert {found["state"] for found in listed(run, "--all")} == {"denied", "cancelled"}


async def test_what_is_critical_takes_a_phrase(run: Run, settings: Path) -> None:
    set_to(settings, SETTINGS + "data: {tiers: {approval: {medium: {permission: approve}}}}\n")
    outcome = await tries(settings, "mkdir made")
    (waiting,) = listed(run)
    assert waiting["terms"]["permission"] == "approve", outcome
    assert run("approvals", "approve", waiting["id"], "--yes", input="y\n").exit_code == 1
    assert run("approvals", "approve", waiting["id"], input="\n").exit_code == 1
    assert listed(run)[0]["state"] == "pending"
    assert run("approvals", "approve", waiting["id"], input="approve Bash\n").exit_code == 0
    assert listed(run)[0]["state"] == "approved"


async def test_who_is_not_named_may_not(run: Run, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_to(settings, SETTINGS + "data: {tiers: {approval: {medium: {approvers: [sre]}}}}\n")
    await tries(settings, "mkdir made")
    (waiting,) = listed(run)
    refused = run("approvals", "approve", waiting["id"], "--yes")
    assert refused.exit_code == 2
    assert "needs an approver of sre" in refused.output
    monkeypatch.setattr(command, "_groups", lambda: frozenset({"sre"}))
    monkeypatch.setattr(command, "_login", lambda: "anna")
    assert "own agent's call" in run("approvals", "approve", waiting["id"], "--yes").output
    monkeypatch.setattr(command, "_login", lambda: "carl")
    assert run("approvals", "approve", waiting["id"], "--yes").exit_code == 0


def test_the_environment_does_not_say_who_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = command._login()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert command._login() == mine != "somebody-else"


async def test_an_agent_does_not_decide_on_its_own_calls(settings: Path) -> None:
    set_to(settings, "level: 4\ndurable: true\n")
    for typed in (
        "hitl-opa approvals approve 3f2a",
        "cd /tmp; HOME=/tmp hitl-opa approvals --help x; yes | /usr/bin/hitl-opa approvals approve 3f2a --yes",
        "hitl-opa approvals reject 3f2a",
    ):
        outcome = await tries(settings, typed)
        assert "self.guard" in outcome.message


@pytest.mark.parametrize(
    ("text", "says"), [("level: 2\n", "durable: true"), (SETTINGS, "there is no record yet")], ids=["off", "none yet"]
)
def test_where_there_are_none(run: Run, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "hitl.yaml").write_text(text)
    result = run("approvals", "list")
    assert result.exit_code == 2
    assert says in result.output
