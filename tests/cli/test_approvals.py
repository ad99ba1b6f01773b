"""``hitl-opa approvals``: what a person sees, and what their word does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from hitl_opa.cli import person
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
    assert outcome.by == f"reviewer:{person.login()}"
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
    monkeypatch.setattr(person, "groups", lambda: frozenset({"sre"}))
    monkeypatch.setattr(person, "login", lambda: "anna")
    assert "own agent's call" in run("approvals", "approve", waiting["id"], "--yes").output
    monkeypatch.setattr(person, "login", lambda: "carl")
    assert run("approvals", "approve", waiting["id"], "--yes").exit_code == 0


def test_the_environment_does_not_say_who_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = person.login()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert person.login() == mine != "somebody-else"


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


async def test_edit(run: Run, settings: Path) -> None:
    await tries(settings, "mkdir made")
    (waiting,) = listed(run)
    same = run("approvals", "edit", waiting["id"], "command=mkdir made", "--yes")
    assert (same.exit_code, "nothing was changed" in same.output) == (2, True)
    refused = run("approvals", "edit", waiting["id"], "command=rm -rf /", "--yes")
    assert (refused.exit_code, "policy denies the edited call" in refused.output) == (2, True)
    assert run("approvals", "edit", waiting["id"], "command=mkdir less", input="n\n").exit_code == 1
    done = run("approvals", "edit", waiting["id"], '{"command": "mkdir less"}', "--category", "tool-failure", "--yes")
    assert done.exit_code == 0, done.output
    shown = run("approvals", "show", waiting["id"]).output
    assert "mkdir made" in shown
    assert f"{person.login()} wants instead" in shown
    assert "tool-failure" in shown
    outcome = await tries(settings, "mkdir made")
    assert outcome.input == {"command": "mkdir less"}


async def test_edit_in_an_editor(run: Run, settings: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    await tries(settings, "mkdir made")
    (waiting,) = listed(run)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/made/less/ "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(editor))
    assert run("approvals", "edit", waiting["id"], "--yes").exit_code == 0
    assert listed(run)[0]["edited"] == {"command": "mkdir less"}


async def test_answer(run: Run, settings: Path) -> None:
    questions = [
        {"question": "Which?", "header": "W", "options": [{"label": "this"}, {"label": "that"}]},
        {"question": "Why?", "header": "Y", "options": []},
    ]
    session = Session(id="s1", principal="anna")
    call = ToolCall(tool="AskUserQuestion", input={"questions": questions}, cwd=str(settings.parent), session=session)

    async def asks() -> Outcome:
        async with Guard.open(load_config(settings)) as guard:
            return await guard.answered(await guard.resolve(await guard.rule(call)))

    await asks()
    (waiting,) = listed(run)
    assert (waiting["kind"], run("approvals", "approve", waiting["id"]).exit_code) == ("question", 2)
    assert run("approvals", "answer", waiting["id"], "that").exit_code == 2
    done = run("approvals", "answer", waiting["id"], input="2\nBecause.\n")
    assert done.exit_code == 0, done.output
    assert "gets the answer" in done.output
    assert (await asks()).answers == {"Which?": "that", "Why?": "Because."}
    await tries(settings, "mkdir made")
    other = next(a for a in listed(run) if a["kind"] == "call")
    assert "not a question" in run("approvals", "answer", other["id"], "x").output


async def test_reconcile(run: Run, settings: Path) -> None:
    assert "every call" not in run("approvals", "reconcile").output.lower()  # no record yet
    await tries(settings, "mkdir made")
    (waiting,) = listed(run)
    assert "has reported back" in run("approvals", "reconcile").output
    run("approvals", "approve", waiting["id"], "--yes")
    assert (await tries(settings, "mkdir made")).allowed
    assert waiting["id"][:8] in run("approvals", "reconcile").output
    assert run("approvals", "reconcile", waiting["id"]).exit_code == 2
    done = run("approvals", "reconcile", waiting["id"], "executed", "--note", "It is there.", "--json")
    assert json.loads(done.output)[0]["state"] == "executed"
    assert listed(run) == []
    assert run("approvals", "reconcile", waiting["id"], "failed").exit_code == 2


async def test_watch_goes_on_in_a_pipe(run: Run, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hitl_opa.cli import approvals as command

    await tries(settings, "mkdir made")
    (waiting,) = listed(run)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise SystemExit(0)
        run("approvals", "reject", waiting["id"])

    monkeypatch.setattr(command, "_wait", wait)
    said = run("approvals", "watch", "--json", "--for", "1000").output
    assert [json.loads(line)["state"] for line in said.splitlines()] == ["pending", "denied"]


async def test_filters(run: Run, settings: Path) -> None:
    await tries(settings, "mkdir a")
    await tries(settings, "mkdir b")
    assert len(listed(run, "--text", "mkdir")) == 2
    assert [a["risk"] for a in listed(run, "--text", "b", "--limit", "1")] == ["medium"]
    assert listed(run, "--tool", "Read") == listed(run, "--state", "denied") == listed(run, "--session", "x") == []
    assert run("approvals", "list", "--state", "done").exit_code == 2


async def test_one_key_says_what_was_wrong(run: Run, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hitl_opa.cli import approvals as command

    class Terminal:
        @staticmethod
        def isatty() -> bool:
            return True

    monkeypatch.setattr(command.sys, "stdin", Terminal)
    for key, wanted in (("2", "missing-context"), ("9", ""), ("x", "")):
        monkeypatch.setattr(command.click, "getchar", lambda key=key: key)
        assert command._wrong(None) == wanted
    assert command._wrong("tool-failure") == "tool-failure"
