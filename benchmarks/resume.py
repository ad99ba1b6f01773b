"""Approvals that outlive the process and the machine, on the real Claude Code CLI: what runs, and how often.

    python benchmarks/resume.py [--repeats 20] [--only approve,reject] [--database postgresql] [--json]

In each run process 1 stops at an approval and exits; its home, configuration and working directory are wiped, all
but the database and the session store (on PostgreSQL, for which a server is started: all but the database); hours
later by the clock that the guard has, a person decides, and process 2 goes on. What counts is what really happened:
a file outside of all that says which commands ran.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from claude_agent_sdk import ClaudeAgentOptions

from hitl_opa.approvals.approval import Person
from hitl_opa.claude import FileSessionStore
from hitl_opa.guard import Guard
from hitl_opa.testing import Sandbox, resume_agent, run_agent, tool_use

HOURS = 5.0
EXPIRED = 25.0
WIPED = ("home", "config", "work")
CALLS = ("one", "two")
"""What the commands append to the file of effects; an edit makes them append ``edited``."""

EXPECTED: dict[str, dict[str, int]] = {
    "approve": {"one": 1},
    "edit": {"edited": 1},
    "reject": {},
    "expire": {},
    "both": {"one": 1},  # two calls in one message: the first approved, the second rejected
    "subagent": {"one": 1},
}

RULE = """package hitl.custom

reasons contains r if {
	some e in input.facts.effects
	e.verb == "write"
	endswith(e.target.real, "/effects")
	r := {"rule": "custom.effects", "verdict": "ask", "risk": "medium", "message": "It has an effect."}
}
"""
"""At level 3 agents may start others, and this asks."""


def command(root: Path, word: str) -> str:
    return f"echo {word} >> {root}/effects"


def call(root: Path, word: str, turn: str) -> dict[str, Any]:
    return tool_use("Bash", _id=f"toolu_{turn}_{word}", command=command(root, word))


def turns(root: Path, how: str, turn: str) -> tuple[list[Any], dict[str, Any]]:
    """What the model says in a process, and its subagents. In the second it obstinately tries again, twice."""
    asks: list[Any] = [call(root, word, turn) for word in (CALLS if how == "both" else CALLS[:1])]
    if turn == "first" and how == "subagent":
        agent = tool_use(
            "Agent", description="d", prompt="SUBTASK", subagent_type="general-purpose", run_in_background=False
        )
        return [agent, "It waits."], {"SUBTASK": [asks, "It waits for an approval."]}
    again: list[Any] = [[{**ask, "id": ask["id"] + "_again"} for ask in asks]] if turn == "second" else []
    return [asks, *again, "done"], {}


def open_guard(root: Path, hours: float) -> Guard:
    """The guard on a machine whose clock has moved on."""
    guard = Guard.open(root / "kept" / "hitl.yaml")
    guard.clock = lambda: datetime.now(UTC) + timedelta(hours=hours)
    assert guard.approvals is not None
    guard.approvals._clock = guard.clock
    return guard


async def child(root: Path, how: str, session: str, hours: float) -> dict[str, Any]:
    """One process of the agent."""
    sandbox = Sandbox(root)
    async with open_guard(root, hours) as guard:
        store: Any = None if guard.config.database else FileSessionStore(root / "kept" / "sessions")
        options = ClaudeAgentOptions(session_store=store)
        said, agents = turns(root, how, "second" if session else "first")
        if session:
            run = await resume_agent(session, said, options, guard=guard, sandbox=sandbox, timeout=120)
        else:
            run = await run_agent(said, options, guard=guard, sandbox=sandbox, agents=agents, timeout=120)
        session = run.result.session_id if run.result else session
        waiting = [approval.id for approval in guard.waiting(session)]
    return {
        "session": session,
        "waiting": waiting,
        "error": str(run.error or ""),
        "ended": run.result.terminal_reason if run.result else "",
        "ran": [c.input["command"] for c in run.executed if c.tool == "Bash"],
    }


def process(root: Path, how: str, session: str = "", hours: float = 0.0) -> dict[str, Any]:
    """Run `child` in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", json.dumps([str(root), how, session, hours])],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"a process of the agent failed:\n{done.stderr}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def decide(root: Path, how: str, waiting: list[str], hours: float) -> None:
    """What a person does, with the database alone."""
    person = Person(name="rita", groups=frozenset({"ops"}), auth="login", authenticated_at=time.time() + hours * 3600)
    guard = open_guard(root, hours)
    assert guard.approvals is not None
    try:
        for number, id in enumerate(waiting):
            if how == "edit":
                guard.approvals.edit(id, person, {"command": command(root, "edited")}, reason="Better so.")
            elif how != "expire":
                guard.approvals.vote(id, person, approves=how != "reject" and number == 0, reason="I looked at it.")
    finally:
        guard.close_sync()


def once(how: str, database: str = "") -> dict[str, Any]:
    """One run: what happened, and what should have. ``database``: the URL of an empty one."""
    with tempfile.TemporaryDirectory(prefix="hitl-resume-") as name:
        root = Path(name).resolve()
        (root / "kept").mkdir()
        (root / "kept" / "effects.rego").write_text(RULE)
        where = f"database: '{database}'\n" if database else ""
        (root / "kept" / "hitl.yaml").write_text(f"level: 3\ndurable: true\npolicies: [effects.rego]\n{where}")
        first = process(root, how)
        for folder in WIPED:
            shutil.rmtree(root / folder)
        hours = EXPIRED if how == "expire" else HOURS
        decide(root, how, first["waiting"], hours)
        second = process(root, how, first["session"], hours)
        effects = root / "effects"
        ran = Counter(effects.read_text().split() if effects.exists() else [])
    return {
        "how": how,
        "asked": len(first["waiting"]),
        "ran": dict(ran),
        "right": dict(ran) == EXPECTED[how] and len(first["waiting"]) == (2 if how == "both" else 1),
        "denied_ran": sum(n for word, n in ran.items() if n > EXPECTED[how].get(word, 0)),
        "first": first,
        "second": second,
    }


@contextmanager
def databases(kind: str) -> Iterator[Callable[[], str]]:
    """What makes an empty database: ``""`` for a file in the run's own directory, or a URL."""
    if kind == "sqlite":
        yield lambda: ""
        return
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    server = import_module("postgres").Server()
    try:
        yield server.create
    finally:
        server.remove()


def main() -> None:
    """Run, print; exit 1 where anything ran that was not approved, or did not run that was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--only", default=",".join(EXPECTED))
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        root, how, session, hours = json.loads(args.child)
        print(json.dumps(asyncio.run(child(Path(root), how, session, hours))))
        return
    runs = []
    with databases(args.database) as create:
        for how in args.only.split(","):
            for number in range(args.repeats):
                runs.append(once(how, create()))
                right = "as decided" if runs[-1]["right"] else "WRONG"
                print(f"{how} {number + 1}: {right}, {runs[-1]['ran']}", file=sys.stderr, flush=True)
    if args.json:
        print(json.dumps(runs, indent=2))
    else:
        for how in args.only.split(","):
            mine = [run for run in runs if run["how"] == how]
            right, denied = sum(run["right"] for run in mine), sum(run["denied_ran"] for run in mine)
            print(f"{how:10}{right:4} of {len(mine)} as decided, {denied} executions that nobody approved")
            for run in mine:
                if not run["right"]:
                    print(json.dumps(run))
    sys.exit(not all(run["right"] for run in runs))


if __name__ == "__main__":
    main()
