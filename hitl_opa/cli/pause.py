"""The demo's pause: an agent asks and its process ends; a person decides; another process goes on, from saved state."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.cli.output import columns, heading, say, whole
from hitl_opa.errors import HitlError
from hitl_opa.terminal.text import Span, spans

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions

CHILD = "from hitl_opa.cli.pause import child; child()"
MAIN = "from hitl_opa.cli import main; main()"
SETTINGS = "environment: demo\nlevel: 3\ndurable: true\n"
DEPLOY = "mcp__ops__deploy"
SECONDS = 180.0


class Paused(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. ``before`` and ``after``: where was deployed to before and after the decision."""

    approval: str = ""
    state: str = ""
    before: list[str] = []
    after: list[str] = []
    faults: list[str] = []


class Pause:
    """Plays it below ``root``; ``quiet`` prints nothing."""

    def __init__(self, root: Path, *, quiet: bool) -> None:
        self._root = root
        self._quiet = quiet
        (root / "kept").mkdir(parents=True)
        (root / "kept" / "hitl.yaml").write_text(SETTINGS, encoding="utf-8")

    def play(self) -> Paused:
        """All of it. What fails is one of the faults."""
        try:
            return self._play()
        except (HitlError, OSError, ValueError, subprocess.SubprocessError) as error:
            return Paused(faults=[f"the pause failed: {type(error).__name__}: {error}"])

    def _play(self) -> Paused:
        self._heading("The pause")
        first = self._process("")
        self._say("process   ", f"{first['pid']} asked to deploy to production, and has ended: {first['ended']}")
        before = deployed(self._root)
        waiting = json.loads(self._cli("approvals", "list", "--json").stdout)
        if len(waiting) != 1:
            return Paused(before=before, faults=[f"{len(waiting)} approvals wait, and not one"])
        id = waiting[0]["id"]
        for name in ("home", "config"):
            shutil.rmtree(self._root / name)
        self._say("wiped     ", "its home and configuration; what is left: the database, and the transcript in a store")
        self._shell("hitl-opa approvals list", self._cli("approvals", "list").stdout)
        self._shell(f"hitl-opa approvals approve {id[:8]}", self._approve(id))
        second = self._process(first["session"])
        after = deployed(self._root)
        self._say(
            "process   ", f"{second['pid']} went on with the session; the agent issued the call again, and it ran"
        )
        self._say("the agent ", second["said"])
        state = json.loads(self._cli("approvals", "show", id, "--json").stdout)["state"]
        self._say("approval  ", f"{state}; an equal call would be asked about again")
        faults = ["something was deployed before anybody approved it"] if before else []
        faults += [] if after == ["production"] else [f"deployed to {after or 'nothing'} after one approval"]
        faults += [] if state == "executed" else [f"the approval is {state}"]
        return Paused(approval=id, state=state, before=before, after=after, faults=faults)

    def _process(self, session: str) -> dict[str, Any]:
        """The agent, in a process of its own."""
        given = json.dumps([str(self._root), session])
        done = subprocess.run(
            [sys.executable, "-c", CHILD, given], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if done.returncode:
            raise OSError(f"the agent's process failed: {done.stderr.strip()[-500:]}")
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return said

    def _approve(self, id: str) -> str:
        shown = self._cli("approvals", "approve", id, "--reason", "Go.", said=f"approve {DEPLOY}\n").stdout
        return "…\n" + shown[shown.rindex("approved  approval") :]  # behind the whole call and what policy says of it

    def _cli(self, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
        config = str(self._root / "kept" / "hitl.yaml")
        command = [sys.executable, "-c", MAIN, *arguments, "--config", config]
        env = {**os.environ, "NO_COLOR": "1", "COLUMNS": str(columns() - 4)}
        done = subprocess.run(
            command, input=said, capture_output=True, text=True, timeout=SECONDS, check=False, env=env
        )
        if done.returncode:
            raise OSError(f"hitl-opa {' '.join(arguments)} failed: {done.stderr.strip()[-500:]}")
        return done

    def _heading(self, text: str) -> None:
        if not self._quiet:
            heading(text)

    def _say(self, label: str, text: str) -> None:
        if not self._quiet:
            say(Span(label, "dim"), *spans(text), indent=2, hanging=12)

    def _shell(self, command: str, output: str) -> None:
        if self._quiet:
            return
        say(Span(f"$ {command}", "bold"), indent=2)
        for line in output.rstrip().splitlines():
            whole(Span(f"    {line}", "dim"))


def deployed(root: Path) -> list[str]:
    """Where was deployed to."""
    file = root / "deployed"
    return file.read_text(encoding="utf-8").split() if file.exists() else []


def child() -> None:
    """One process of the agent: it asks, or goes on. Prints JSON."""
    root, session = json.loads(sys.argv[-1])
    print(json.dumps(asyncio.run(_agent(Path(root), session))))  # noqa: T201 - for the process that started it


async def _agent(root: Path, session: str) -> dict[str, Any]:
    from hitl_opa.guard import Guard
    from hitl_opa.testing import Sandbox, resume_agent, run_agent, tool_use

    sandbox = Sandbox(root)
    async with Guard.open(root / "kept" / "hitl.yaml") as guard:
        options = _options(root)
        call = tool_use(DEPLOY, _id=f"toolu_{'second' if session else 'first'}", environment="production")
        if session:
            end = "Production has the new version."
            run = await resume_agent(session, [call, end], options, guard=guard, sandbox=sandbox, principal="ada")
        else:
            run = await run_agent([call], options, guard=guard, sandbox=sandbox, principal="ada")
    if run.error is not None or run.result is None:
        raise OSError(f"the session failed: {run.error}")
    ended = "waiting for a person" if run.result.terminal_reason == "hook_stopped" else "done"
    return {"pid": os.getpid(), "session": run.result.session_id, "ended": ended, "said": run.result.result or ""}


def _options(root: Path) -> ClaudeAgentOptions:
    """The same in both processes: the session is found by its working directory, and its transcript is in the store."""
    from typing import cast

    from claude_agent_sdk import ClaudeAgentOptions, SessionStore, create_sdk_mcp_server, tool

    from hitl_opa.claude import FileSessionStore

    @tool("deploy", "Deploy the current version to an environment.", {"environment": str})
    async def deploy(given: dict[str, Any]) -> dict[str, Any]:
        with (root / "deployed").open("a", encoding="utf-8") as file:
            file.write(f"{given['environment']}\n")
        return {"content": [{"type": "text", "text": f"deployed to {given['environment']}"}]}

    return ClaudeAgentOptions(
        mcp_servers={"ops": create_sdk_mcp_server("ops", tools=[deploy])},
        session_store=cast("SessionStore", FileSessionStore(root / "kept" / "sessions")),
    )
