"""On the real CLI: sessions stop at an approval, wait as rows, and go on as people decided."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions, create_sdk_mcp_server, tool
from pytest import FixtureRequest  # noqa: PT013 - as a type

from hitl_opa.approvals.approval import Approval, Person
from hitl_opa.approvals.job import RESUME
from hitl_opa.approvals.states import State
from hitl_opa.approvals.worker import Step, Worker
from hitl_opa.claude import NotDecided, Resumer, SessionBusy, resume
from hitl_opa.guard import Guard
from hitl_opa.testing import AgentRun, Sandbox, ScriptedModel, resume_agent, run_agent, tool_use
from hitl_opa.testing.turns import flat

pytestmark = pytest.mark.cli

RITA = Person(name="rita", auth="login")
QUESTION = {
    "question": "Which colour?",
    "header": "Colour",
    "multiSelect": False,
    "options": [{"label": "Red", "description": "r"}, {"label": "Blue", "description": "b"}],
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("kind", "how"),
    [
        *(("sqlite", how) for how in ("approve", "edit", "reject", "expire", "both", "subagent")),
        *(
            ("postgresql", how) for how in ("edit", "both")
        ),  # what differs is the store, and its own suite is run on both
    ],
)
def test_on_another_machine_hours_later(request: FixtureRequest, kind: str, how: str) -> None:
    """Both processes end, and all but the database is wiped between them, and, in a file, the transcripts."""
    script = request.config.rootpath / "benchmarks" / "resume.py"
    command = [sys.executable, str(script), "--repeats", "1", "--only", how, "--database", kind, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=380, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = json.loads(done.stdout)
    assert (run["right"], run["denied_ran"]) == (True, 0)
    assert run["first"]["ended"] == ("completed" if how == "subagent" else "hook_stopped")


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[Guard]:
    async with Guard.open(level=2, durable=True, audit=str(tmp_path / "record" / "a.db")) as guard:
        yield guard


async def first(guard: Guard, sandbox: Sandbox, *calls: Any, **settings: Any) -> tuple[str, list[Approval], AgentRun]:
    run = await run_agent([list(calls), "the end"], guard=guard, sandbox=sandbox, **settings)
    assert run.error is None
    assert run.result is not None
    return run.result.session_id, guard.waiting(run.result.session_id), run


def write(name: str, id: str) -> Any:
    return tool_use("Bash", _id=id, command=f"echo x >> {name}")


def vote(guard: Guard, approval: Approval, *, approves: bool = True, reason: str = "") -> None:
    assert guard.approvals is not None
    guard.approvals.vote(approval.id, RITA, approves=approves, reason=reason)


def prompt_of(run: AgentRun) -> str:
    """What the model was told when the session went on."""
    parts = [flat(message["content"]) for message in run.model.requests[0]["messages"] if message["role"] == "user"]
    return parts[-1][parts[-1].rindex("[hitl-opa]") :]


async def test_the_run_ends_where_it_waits_and_says_for_what(guard: Guard, sandbox: Sandbox) -> None:
    session, waiting, run = await first(guard, sandbox, write("a", "t1"), write("b", "t2"))
    assert run.result is not None
    assert (run.result.terminal_reason, run.result.is_error) == ("hook_stopped", False)
    assert len(run.model.requests) == 1  # nobody asked the model what it thinks of it
    assert [a.document["call"]["id"] for a in waiting] == ["t1", "t2"]
    with pytest.raises(NotDecided, match=waiting[0].id):
        await anext(resume(guard, session, ClaudeAgentOptions()))
    assert guard.waiting("another") == []


async def test_without_pause_the_agent_goes_on(guard: Guard, sandbox: Sandbox) -> None:
    _, waiting, run = await first(guard, sandbox, write("a", "t1"), pause=False)
    assert run.result is not None
    assert run.result.terminal_reason == "completed"
    assert f"pending, approval {waiting[0].id}" in run.calls[0].told


async def test_each_is_told_truthfully_and_once(guard: Guard, sandbox: Sandbox) -> None:
    session, waiting, _ = await first(guard, sandbox, write("a", "t1"), write("b", "t2"), write("c", "t3"))
    vote(guard, waiting[0], reason="Fine.")
    vote(guard, waiting[1], approves=False, reason="Not this one.")
    run = await resume_agent(session, [write("a", "u1"), "done"], guard=guard, sandbox=sandbox)
    said = prompt_of(run)
    for part in ("rita approved", "They said: Fine.", "rita rejected", "Not this one.", "still waits", waiting[2].id):
        assert part in said
    assert sandbox.files() == {"a"}
    assert [a.id for a in guard.waiting(session)] == [waiting[2].id]
    again = await resume_agent(session, ["done"], guard=guard, sandbox=sandbox)
    assert isinstance(again.error, NotDecided)
    vote(guard, waiting[2])
    last = await resume_agent(session, [write("c", "v1"), "done"], guard=guard, sandbox=sandbox)
    assert "rejected" not in prompt_of(last)
    assert sandbox.files() == {"a", "c"}


async def test_an_edit_that_the_model_issues_itself_asks_anew(guard: Guard, sandbox: Sandbox) -> None:
    """A call that varies is another call: only the approved one, or the edit in its place, runs."""
    session, waiting, _ = await first(guard, sandbox, write("a", "t1"))
    vote(guard, waiting[0])
    run = await resume_agent(session, [write("other", "u1"), "done"], guard=guard, sandbox=sandbox)
    assert not run.executed
    assert sandbox.files() == set()
    assert len(guard.waiting(session)) == 1


async def test_a_question_answered_later_is_the_tools_answer(guard: Guard, sandbox: Sandbox) -> None:
    session, (asked,), run = await first(guard, sandbox, tool_use("AskUserQuestion", _id="t1", questions=[QUESTION]))
    assert (asked.kind, run.result and run.result.terminal_reason) == ("question", "hook_stopped")
    assert guard.approvals is not None
    guard.approvals.answer(asked.id, RITA, {"Which colour?": "Blue"})
    later = await resume_agent(
        session, [tool_use("AskUserQuestion", _id="u1", questions=[QUESTION]), "done"], guard=guard, sandbox=sandbox
    )
    (call,) = [c for c in later.calls if c.id == "u1"]
    assert call.ran
    assert '"Which colour?"="Blue"' in call.told
    assert guard.approvals.get(asked.id).state is State.EXECUTED


def planning(text: str, id: str) -> Any:
    """What the model does with the file that plan mode names."""

    def turn(body: Any) -> Any:
        (file,) = set(re.findall(r"[^\s\"`\\\\]*/plans/[^\s\"`\\\\]*[.]md", json.dumps(body)))
        return tool_use("Write", _id=id, file_path=file, content=text)

    return turn


@pytest.mark.parametrize("configuration", [".claude", "elsewhere"])
async def test_a_plan_approved_later(guard: Guard, sandbox: Sandbox, configuration: str) -> None:
    """Its file is gone by then, and has another name; it lies wherever Claude Code keeps its own."""
    env = {"CLAUDE_CONFIG_DIR": str(sandbox.home / configuration)}
    plan = ClaudeAgentOptions(permission_mode="plan", env=env)
    text = "# Plan\n1. echo x\n"
    run = await run_agent(
        [planning(text, "t1"), tool_use("ExitPlanMode", _id="t2")], plan, guard=guard, sandbox=sandbox
    )
    assert [call.ran for call in run.calls] == [True, False], run.calls
    assert run.result is not None
    session = run.result.session_id
    (asked,) = guard.waiting(session)
    assert (asked.kind, asked.document["call"]["input"]) == ("plan", {"plan": text})
    for file in (sandbox.home / configuration / "plans").iterdir():
        file.unlink()
    vote(guard, asked)
    turns = [planning(text, "u1"), tool_use("ExitPlanMode", _id="u2"), "done"]
    later = await resume_agent(session, turns, plan, guard=guard, sandbox=sandbox)
    (call,) = [c for c in later.calls if c.id == "u2"]
    assert call.ran, later.calls
    assert "1. echo x" in call.told
    assert guard.approvals is not None
    assert guard.approvals.get(asked.id).state is State.EXECUTED
    assert {r.get("matches") for r in guard.audit.records() if r.get("outcome") == "ran"} == {True}


async def test_a_tool_in_this_process(guard: Guard, sandbox: Sandbox) -> None:
    ran: list[str] = []

    @tool("deploy", "Deploys.", {"to": str})
    async def deploy(given: dict[str, Any]) -> dict[str, Any]:
        ran.append(given["to"])
        return {"content": [{"type": "text", "text": "deployed"}]}

    options = ClaudeAgentOptions(mcp_servers={"ops": create_sdk_mcp_server("ops", tools=[deploy])})
    session, (asked,), _ = await first(guard, sandbox, tool_use("mcp__ops__deploy", _id="t1", to="x"), options=options)
    assert ran == []
    vote(guard, asked)
    turns = [tool_use("mcp__ops__deploy", _id="u1", to="x"), tool_use("mcp__ops__deploy", _id="u2", to="x"), "done"]
    await resume_agent(session, turns, options, guard=guard, sandbox=sandbox)
    assert ran == ["x"]


async def test_a_call_waits_in_its_hook_while_somebody_decides(guard: Guard, sandbox: Sandbox) -> None:
    async def decide() -> None:
        for _ in range(1_000):
            await asyncio.sleep(0.05)
            if guard.approvals is not None and (found := guard.approvals.listed(frozenset({State.PENDING}))):
                return vote(guard, found[0])
        raise AssertionError("nobody asked")

    deciding = asyncio.create_task(decide())
    _, waiting, run = await first(guard, sandbox, write("a", "t1"), wait=60.0)
    await deciding
    assert (waiting, len(run.executed), sandbox.files()) == ([], 1, {"a"})


async def test_a_worker_goes_on_with_it(guard: Guard, sandbox: Sandbox) -> None:
    session, waiting, _ = await first(guard, sandbox, write("a", "t1"), write("b", "t2"))
    heard: list[str] = []

    async def hear(of: str, message: Any) -> None:
        heard.append(of)

    assert guard.approvals is not None
    store = guard.approvals.store
    with ScriptedModel([write("a", "u1"), write("b", "u2"), "done"]) as model:
        options = ClaudeAgentOptions(cwd=sandbox.cwd, env=sandbox.env(model.url))
        steps: list[Step] = []
        resumer = Resumer(guard, lambda _: options, heard=hear)
        worker = Worker(store, guard.approvals, {RESUME: resumer}, told=steps.append)
        assert await worker.once() == 0  # nothing was decided
        for approval in waiting:
            vote(guard, approval)
        assert await worker.once() == 2  # at the same time, and one session
        assert [step.status for step in steps] == ["done", "done"], steps
        assert await worker.once() == 0
    assert sandbox.files() == {"a", "b"}
    assert set(heard) == {session}


async def test_one_process_at_a_time_goes_on_with_a_session(guard: Guard, sandbox: Sandbox) -> None:
    session, waiting, _ = await first(guard, sandbox, write("a", "t1"))
    vote(guard, waiting[0])
    assert guard.approvals is not None
    other = guard.approvals.leases.take(waiting[0].id, 60)
    assert other is not None
    assert guard.approvals.leases.take(waiting[0].id, 60) is None
    with pytest.raises(SessionBusy):
        await anext(resume(guard, session, ClaudeAgentOptions()))
    assert guard.approvals.leases.extend(other, 60)
    guard.approvals.leases.end(other)
    run = await resume_agent(session, [write("a", "u1"), "done"], guard=guard, sandbox=sandbox)
    assert run.error is None
    assert sandbox.files() == {"a"}
    assert not guard.approvals.leases.extend(other, 60)
