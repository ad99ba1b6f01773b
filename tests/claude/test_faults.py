"""Whatever breaks, on the real CLI in bypassPermissions: nothing executes, the model hears why, it is on record."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions
from doubles import FakeEngine, ask, decision

from hitl_opa.audit import AuditLog
from hitl_opa.config import OpaServer
from hitl_opa.errors import AuditError, ConfigError, EngineError, EngineUnavailable, PolicyError, Undefined
from hitl_opa.guard import Guard
from hitl_opa.model import Answer, Choice
from hitl_opa.testing import Sandbox, ScriptedModel, ScriptedReviewer, tool_use

pytestmark = pytest.mark.cli

BYPASS = ClaudeAgentOptions(permission_mode="bypassPermissions")
TOUCH = tool_use("Bash", command="touch made")


async def nothing_runs(agent: Any, guard: Guard, sandbox: Sandbox, told: str, **settings: Any) -> None:
    run = await agent(TOUCH, tool_use("Read", file_path="f.txt"), options=BYPASS, guard=guard, **settings)
    assert run.executed == []
    assert sandbox.files() == set()
    assert told in run.calls[0].told, run.calls[0].told


async def hang(_: bytes) -> bytes:
    await asyncio.sleep(30)
    return decision()


def block(_: bytes) -> bytes:
    time.sleep(0.6)
    return decision()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (RuntimeError("boom"), "boom"),
        (EngineError("bad"), "bad"),
        (EngineUnavailable("gone"), "cannot be reached"),
        (Undefined("nothing"), "undefined"),
        (MemoryError(), "MemoryError"),
        (hang, "in time"),
        (block, "in time"),
        (b"", "not the shape"),
        (b"null", "not the shape"),
        (b'{"result": "allow"}', "not the shape"),
        (b'{"verdict": "allow"}', "not the shape"),
        (b'{"verdict": "Allow", "risk": "low", "reason": "r", "reasons": []}', "not the shape"),
        (b'{"verdict": "allow", "risk": "low", "reason": "r", "reasons": []}', "no reasons"),
        (b"[" * 100_000, "not the shape"),
        (None, "failed"),
        (decision("allow", obligations=[{"id": "x", "type": "step-up", "properties": {}}]), "step-up"),
        (decision("allow", obligations=[{"id": "x", "type": "rewrite", "properties": {"input": "x"}}]), "rewrite"),
        (decision("ask"), "how it is approved"),
    ],
)
async def test_engine_faults(
    agent: Any, make_guard: Callable[..., Guard], sandbox: Sandbox, audit: AuditLog, answer: Any, told: str
) -> None:
    await nothing_runs(agent, make_guard(answer, deadline=0.3), sandbox, told, reviewer=ScriptedReviewer("approve"))
    assert [r.get("outcome") for r in audit.records() if r.kind == "outcome"] == ["blocked", "blocked"]


# --- an OPA server


@pytest.fixture
def opa_server() -> Iterator[Callable[[Any], str]]:
    servers: list[HTTPServer] = []

    def serve(answer: Any) -> str:
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None: ...

            def do_POST(self) -> None:
                status, body, wait = answer
                time.sleep(wait)
                try:
                    self.send_response(status)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    return  # the guard has given up on this server

            do_GET = do_POST

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"{}", 0),
        (200, b'{"result": null}', 0),
        (200, b'{"result": {"allow": true}}', 0),
        (200, b"allow", 0),
        (200, b'{"result": ' + decision() + b"}", 1.5),
        (500, b'{"code": "internal_error"}', 0),
        (404, b"", 0),
        (302, b"", 0),
    ],
    ids=["no-policy", "undefined", "wrong-policy", "no-json", "slow", "500", "404", "302"],
)
async def test_opa_server_faults(
    agent: Any, hitl_guard: Callable[..., Guard], sandbox: Sandbox, opa_server: Callable[[Any], str], answer: Any
) -> None:
    server = OpaServer(url=opa_server(answer), timeout=0.5)
    async with hitl_guard(opa=server, deadline=1.0, level=4) as guard:
        await nothing_runs(agent, guard, sandbox, "policy", reviewer=ScriptedReviewer("approve"))


async def test_opa_server_down(agent: Any, hitl_guard: Callable[..., Guard], sandbox: Sandbox) -> None:
    async with hitl_guard(opa=OpaServer(url="http://127.0.0.1:1", timeout=0.5), level=4) as guard:
        await nothing_runs(agent, guard, sandbox, "cannot be reached", reviewer=ScriptedReviewer("approve"))


# --- policies and data that do not load: there is no guard, so there are no options to run


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("package hitl.custom\nreasons contains {", PolicyError),
        ("package hitl.custom\nimport rego.v1\nx := time.now_ns()\n", PolicyError),
    ],
    ids=["syntax", "profile"],
)
def test_a_policy_that_does_not_load_opens_no_guard(
    hitl_guard: Callable[..., Guard], sandbox: Sandbox, source: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        hitl_guard(policies=[str(sandbox.write("policy/bad.rego", source))])


def test_data_that_does_not_load_opens_no_guard(hitl_guard: Callable[..., Guard], sandbox: Sandbox) -> None:
    sandbox.write("policy/data.yaml", "a: [")
    with pytest.raises(PolicyError):
        hitl_guard(policies=[str(sandbox.cwd / "policy")])
    with pytest.raises(ConfigError):
        hitl_guard(str(sandbox.write("hitl.yaml", "level: 9")))


# --- the record


@pytest.mark.parametrize("error", [AuditError("disk full"), OSError(28, "No space left on device")])
async def test_a_decision_that_cannot_be_recorded_denies(
    agent: Any, guard: Guard, audit: AuditLog, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(audit, "append", full)
    await nothing_runs(agent, guard, sandbox, "denied")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB where this process may mount one, else a directory like any other."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "hitl-test", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield folder
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    """No byte more goes to this disk; where it is no disk of its own, no byte of this process to any file."""
    filler = folder / "filler"
    if os.path.ismount(folder):
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 512)
        try:
            yield
        finally:
            filler.unlink()
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_denies_until_there_is_room(agent: Any, sandbox: Sandbox, small_disk: Path) -> None:
    with AuditLog.open(small_disk / "hitl.db") as log, contextlib.ExitStack() as disk:

        def fill(document: bytes) -> bytes:
            """The disk fills up between the decision, an allow, and its record."""
            disk.enter_context(full(small_disk))
            return decision()

        guard = Guard(engine=FakeEngine(fill, decision()), audit=log)
        run = await agent(TOUCH, TOUCH, options=BYPASS, guard=guard)
        assert [c.ran for c in run.calls] == [False, False]
        assert sandbox.files() == set()
        assert all("disk" in c.told for c in run.calls), run.calls
        disk.close()
        run = await agent(TOUCH, options=BYPASS, guard=guard)
        assert [c.ran for c in run.calls] == [True]
        assert log.verify().ok


async def test_calls_of_any_size_are_decided(agent: Any, hitl_guard: Callable[..., Guard], sandbox: Sandbox) -> None:
    """What is too large to be read is denied, and takes nothing with it: neither the session nor the record."""
    small, large, huge = "x" * 1_500_000, "y" * 5_000_000, "z" * 11_000_000
    async with hitl_guard(level=3) as guard:
        run = await agent(
            tool_use("Write", file_path="small.txt", content=small),
            tool_use("Write", file_path="large.txt", content=large),
            tool_use("Write", file_path="huge.txt", content=huge),
            tool_use("Bash", command="echo still here"),
            guard=guard,
        )
        assert [c.ran for c in run.calls] == [True, False, False, True]
        assert (sandbox.cwd / "small.txt").read_text() == small
        assert sandbox.files() == {"small.txt"}
        for call in run.calls[1:3]:
            assert "at most 4194304 are read" in call.told
        assert "still here" in run.calls[3].told
        outcomes = [r.get("outcome") for r in guard.audit.records() if r.kind == "outcome"]
        assert outcomes == ["ran", "blocked", "blocked", "ran"]
        assert guard.audit.verify().ok


async def test_an_outcome_that_cannot_be_recorded_is_said(
    agent: Any, guard: Guard, audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = audit.append

    def full_after_one(event: Any) -> Any:
        if event.kind == "outcome":
            raise AuditError("disk full")
        return append(event)

    monkeypatch.setattr(audit, "append", full_after_one)
    run = await agent(TOUCH, options=BYPASS, guard=guard)
    assert run.calls[0].ran
    said = [m for m in run.messages if "could not record" in str(getattr(m, "data", ""))]
    assert said


# --- the human


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("reject", "rejected"),
        (RuntimeError("crashed"), "crashed"),
        ("yes", "no usable answer"),
        (None, "no usable answer"),
        ({"choice": "approve"}, "no usable answer"),
        (lambda _: asyncio.sleep(30), "No reviewer answered"),
        (Answer(choice=Choice.EDIT, input={"nonsense": 1}), "updatedInput that failed schema validation"),
    ],
)
async def test_reviewer_faults(
    agent: Any, make_guard: Callable[..., Guard], sandbox: Sandbox, answer: Any, told: str
) -> None:
    guard = make_guard(ask(), attended=0.5)
    await nothing_runs(agent, guard, sandbox, told, reviewer=ScriptedReviewer(answer))


async def test_nobody_there(agent: Any, make_guard: Callable[..., Guard], sandbox: Sandbox) -> None:
    await nothing_runs(agent, make_guard(ask()), sandbox, "Nobody is there")


async def test_interrupted_while_the_human_looks(
    agent: Any, make_guard: Callable[..., Guard], sandbox: Sandbox, audit: AuditLog
) -> None:
    looking = asyncio.Event()

    async def slow(_: Any) -> Any:
        looking.set()
        await asyncio.sleep(3)
        return "approve"

    async def interrupt(client: Any) -> None:
        await asyncio.wait_for(looking.wait(), 20)
        await client.interrupt()

    run = await agent(TOUCH, options=BYPASS, guard=make_guard(ask()), reviewer=ScriptedReviewer(slow), during=interrupt)
    await asyncio.sleep(3.2)
    assert run.executed == []
    assert sandbox.files() == set()


# --- the adapter and its process


async def test_a_host_that_hangs_is_given_up(
    agent: Any, make_guard: Callable[..., Guard], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop itself stands still past the hook's time-out: the CLI blocks the call."""
    monkeypatch.setattr("hitl_opa.claude.options.MARGIN", -0.5)

    def stuck(_: bytes) -> bytes:
        time.sleep(3)
        return decision()

    await nothing_runs(agent, make_guard(stuck, deadline=0.1), sandbox, "did not respond before its timeout")


SAID = {"hookEventName": "PreToolUse", "permissionDecision": "allow", "permissionDecisionReason": "r"}


NO_ANSWERS = [
    None,
    "allow",
    [],
    {},
    {"hookSpecificOutput": None},
    {"hookSpecificOutput": {}},
    {"hookSpecificOutput": {**SAID, "permissionDecision": "maybe"}},
    {"hookSpecificOutput": {**SAID, "permissionDecision": "ask"}},
    {"hookSpecificOutput": {**SAID, "permissionDecision": "defer"}},
    {"hookSpecificOutput": {**SAID, "permissionDecision": None}},
    {"hookSpecificOutput": {**SAID, "hookEventName": "PostToolUse"}},
    {"hookSpecificOutput": {**SAID, "updatedInput": "touch made"}},
    {"hookSpecificOutput": {**SAID, "permissionDecisionReason": object()}},
    {"hookSpecificOutput": {**SAID, "decision": {"behavior": "allow"}}},
    {"hookSpecificOutput": SAID, "continue_": False},
    {"hookSpecificOutput": SAID, "async_": True},
    {"decision": "block", "reason": "r"},
    {"async_": True},
    {"continue_": False},
    SAID,
]


async def test_an_answer_of_the_adapter_that_is_none_denies(
    agent: Any, guard: Guard, sandbox: Sandbox, audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Policy allows these calls; what the adapter makes of that is junk, or well-formed but no answer."""
    left = list(NO_ANSWERS)
    monkeypatch.setattr("hitl_opa.claude.gate.Gate._reply", lambda *_: left.pop(0))
    run = await agent(*[TOUCH] * len(NO_ANSWERS), options=BYPASS, guard=guard)
    assert left == []
    assert run.executed == []
    assert sandbox.files() == set()
    assert all("the guard failed" in call.told for call in run.calls)
    notes = [str(r.payload) for r in audit.records() if r.kind == "note"]
    assert ["the guard failed" in note for note in notes] == [True] * len(NO_ANSWERS)


@pytest.mark.parametrize("input", [{"command": object()}, {"command": float("nan")}, {1: {2}}])
async def test_an_edit_that_is_no_json_denies(
    agent: Any, make_guard: Callable[..., Guard], sandbox: Sandbox, input: Any
) -> None:
    guard = make_guard(ask())
    await nothing_runs(agent, guard, sandbox, "", reviewer=ScriptedReviewer(Answer(choice=Choice.EDIT, input=input)))


HOST = """
    import asyncio, os, sys
    from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient
    from doubles import FakeEngine, ask
    from hitl_opa.audit import AuditLog
    from hitl_opa.guard import Guard
    from hitl_opa.testing import Sandbox, ScriptedReviewer

    async def main():
        box = Sandbox(sys.argv[1])
        guard = Guard(engine=FakeEngine(ask()), audit=AuditLog.open(":memory:"))
        options = guard.protect(
            ClaudeAgentOptions(cwd=box.cwd, env=box.env(sys.argv[2]), permission_mode="bypassPermissions"),
            reviewer=ScriptedReviewer(lambda _: os._exit(7)),
        )
        async with ClaudeSDKClient(options) as client:
            await client.query("go")
            async for _ in client.receive_response():
                pass

    asyncio.run(main())
"""


def test_a_host_that_dies_while_the_human_looks(sandbox: Sandbox, request: pytest.FixtureRequest) -> None:
    """The CLI is left alone with a pending call, goes on with its turn, and runs nothing."""
    with ScriptedModel([TOUCH, tool_use("Bash", command="touch second"), "done"]) as model:
        host = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(HOST), str(sandbox.root), model.url],
            env={"PYTHONPATH": str(request.config.rootpath / "tests"), "PATH": "/usr/bin:/bin"},
            timeout=60,
            capture_output=True,
            check=False,
        )
        assert host.returncode == 7, host.stderr
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline and len(model.requests) < 3:
            time.sleep(0.1)
        assert model.calls, "the agent never called a tool"
        assert sandbox.files() == set()


@pytest.mark.parametrize(
    "hook",
    [
        None,
        "x",
        {},
        {"tool_name": "Bash"},
        {"tool_name": "", "tool_input": {}},
        {"tool_name": "Bash", "tool_input": "touch made"},
        {"tool_name": ["Bash"], "tool_input": {}},
        {"tool_name": "Bash", "tool_input": {}, "permission_mode": "yolo"},
        {"tool_name": "Bash", "tool_input": {}, "cwd": 7},
        {"tool_name": "Bash", "tool_input": {"command": "\ud800"}, "cwd": "\ud800"},
    ],
)
async def test_a_malformed_hook_input_is_denied(make_guard: Callable[..., Guard], audit: AuditLog, hook: Any) -> None:
    options = make_guard(decision()).protect(ClaudeAgentOptions())
    assert options.hooks is not None
    (matcher,) = options.hooks["PreToolUse"]
    reply: Any = await matcher.hooks[0](hook, "id", {"signal": None})
    assert reply["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert json.dumps(reply)
    assert list(audit.records())


async def test_cancellation_is_on_record_and_handed_on(make_guard: Callable[..., Guard], audit: AuditLog) -> None:
    options = make_guard(hang).protect(ClaudeAgentOptions())
    assert options.hooks is not None
    hook: Callable[..., Awaitable[Any]] = options.hooks["PreToolUse"][0].hooks[0]
    task = asyncio.ensure_future(hook({"tool_name": "Bash", "tool_input": {}}, "id", {}))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [r.kind for r in audit.records()] == ["note"]


def test_the_engine_of_these_tests_can_allow(agent: Any, make_guard: Callable[..., Guard], sandbox: Sandbox) -> None:
    async def allowed() -> None:
        run = await agent(TOUCH, options=BYPASS, guard=make_guard(decision()))
        assert run.calls[0].ran

    asyncio.run(allowed())
    assert sandbox.files() == {"made"}
