"""``hitl-opa demo``: a real Claude Code session whose tool calls pass the guard."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
import time
from typing import TYPE_CHECKING

import click
import msgspec

from hitl_opa.audit import Report
from hitl_opa.cli.audit import show_report
from hitl_opa.cli.output import emit, heading, say, table, verdict
from hitl_opa.cli.pause import Pause, Paused
from hitl_opa.cli.scene import Colleague, Scene
from hitl_opa.cli.settings import LEVELS
from hitl_opa.cli.watch import Seen, WatchedLog, Watcher
from hitl_opa.config import Config
from hitl_opa.errors import ConfigError, HitlError
from hitl_opa.model import ToolCall
from hitl_opa.terminal.text import Line, Span, spans

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions

    from hitl_opa.guard import Guard
    from hitl_opa.testing import AgentRun, Sandbox

DEFAULT_LEVEL = 3
SECONDS = 120.0
KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
TOOLS = ["Read", "Write", "Edit", "Bash", "AskUserQuestion", "mcp__ops__deploy"]


@click.command(short_help="A real Claude Code session, offline, guarded.")
@click.option("--level", default=DEFAULT_LEVEL, show_default=True, type=click.IntRange(1, 4), help="Autonomy level.")
@click.option("--live", metavar="PROMPT", help="Use the real model, with the key in the environment; you review.")
@click.option("--inbox", is_flag=True, help="An agent asks, and you decide in the inbox, in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def demo(level: int, live: str | None, inbox: bool, as_json: bool) -> None:
    """Watch the guard at work on the real Claude Code CLI, in a throw-away workspace.

    \b
    hitl-opa demo                     scripted model, scripted reviewer, no network, no key
    hitl-opa demo --level 1           the same, and nothing runs without being asked
    hitl-opa demo --live "Add a farewell to greet.py and deploy it"
    hitl-opa demo --inbox             prints a URL and a login; you decide there

    The agent reads, writes, touches .env, tries `rm -rf /`, asks a question and deploys. Each call
    is shown with its decision, who decided, its risk and rule; then the same calls at the other
    levels; then an agent asks and its process ends, until a person decides and another process goes
    on; then the record, verified. Exit code 1 if anything ran that should not have.
    """
    if inbox and (as_json or live is not None):
        raise click.UsageError("--inbox is for people, with the scripted model")
    if live is not None and as_json:
        raise click.UsageError("--live is for people: it has no --json")
    if live is not None and not any(os.environ.get(key) for key in KEYS):
        raise ConfigError(f"--live needs a key in the environment: {', '.join(KEYS[:-1])} or {KEYS[-1]}")
    from hitl_opa.testing import Sandbox

    if inbox:
        with Sandbox() as sandbox:
            passed = _inbox(sandbox)
        sys.exit(not passed)
    with Sandbox() as sandbox:
        passed = asyncio.run(_Demo(sandbox, level, quiet=as_json).run(live))
    if not passed:
        sys.exit(1)


def _inbox(sandbox: Sandbox) -> bool:
    from hitl_opa.cli.pause_inbox import InboxPause

    paused = InboxPause(sandbox.root / "pause", quiet=False).play()
    for fault in paused.faults:
        say(Span("! ", "danger"), *spans(fault))
    return not paused.faults


class _Demo:
    def __init__(self, sandbox: Sandbox, level: int, *, quiet: bool) -> None:
        self._scene = Scene(sandbox)
        self._level = level
        self._quiet = quiet
        self._watcher = Watcher(quiet=quiet)
        self._config = Config(level=level, environment="demo", audit=str(sandbox.root / "record" / "hitl.db"))

    async def run(self, live: str | None) -> bool:
        started = time.monotonic()
        guard = self._guard()
        try:
            if not self._quiet:
                self._title(live)
            said = await (self._live(guard, live) if live is not None else self._scripted(guard))
            calls = list(self._watcher.calls.values())
            levels = self._levels(calls)
            report = guard.audit.verify()
        finally:
            await guard.close()
        pause = Pause(self._scene.sandbox.root / "pause", quiet=self._quiet) if live is None else None
        paused = await asyncio.to_thread(pause.play) if pause is not None else Paused()
        faults = self._faults(calls, report) + said + paused.faults
        seconds = time.monotonic() - started
        if self._quiet:
            emit(
                {
                    "ok": not faults,
                    "faults": faults,
                    "level": self._level,
                    "calls": calls,
                    "levels": levels,
                    "pause": paused,
                    "audit": {"ok": report.ok, **msgspec.to_builtins(report)},
                    "seconds": round(seconds, 1),
                }
            )
        else:
            self._table(calls, levels)
            self._summary(calls, report, faults, seconds)
        return not faults

    def _guard(self) -> Guard:
        """The embedded engine, the shipped policies and a record in SQLite: what `Guard.open` makes, watched."""
        from hitl_opa.facts import redact
        from hitl_opa.guard import Guard
        from hitl_opa.guard.opening import known, open_engine

        path = self._config.path(self._config.audit)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        log = WatchedLog.open(path, redact=redact, labels={"environment": "demo"})
        if isinstance(log, WatchedLog):
            log.watcher = self._watcher
        return Guard(engine=open_engine(self._config), audit=log, config=self._config, known=known(self._config))

    def _options(self) -> ClaudeAgentOptions:
        from claude_agent_sdk import ClaudeAgentOptions

        path = f"{self._scene.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return ClaudeAgentOptions(
            cwd=self._scene.sandbox.cwd,
            env={"PATH": path},
            tools=TOOLS,
            mcp_servers={"ops": self._scene.ops()},
        )

    async def _scripted(self, guard: Guard) -> list[str]:
        from hitl_opa.testing import run_agent

        run = await run_agent(
            self._scene.script(),
            self._options(),
            guard=guard,
            reviewer=Colleague(self._watcher.asked, self._watcher.answered),
            sandbox=self._scene.sandbox,
            prompt="Let the greeter greet by name, and deploy it.",
            timeout=SECONDS,
        )
        return _faults_of(run)

    async def _live(self, guard: Guard, prompt: str) -> list[str]:
        from claude_agent_sdk import AssistantMessage, ClaudeSDKClient, TextBlock

        from hitl_opa.terminal import TerminalReviewer

        sandbox = self._scene.sandbox
        given = {name: value for name, value in os.environ.items() if name.startswith("ANTHROPIC_") or name in KEYS}
        options = self._options()
        env = {**sandbox.env(""), "ANTHROPIC_API_KEY": "", "ANTHROPIC_BASE_URL": "", **given, **options.env}
        options = dataclasses.replace(options, env={name: value for name, value in env.items() if value})
        try:
            async with ClaudeSDKClient(guard.protect(options, reviewer=TerminalReviewer())) as client:
                await client.query(prompt)
                async for message in client.receive_response():
                    if isinstance(message, AssistantMessage):
                        for block in message.content:
                            if isinstance(block, TextBlock):
                                self._watcher.said(block.text)
        except HitlError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever ended the session, the record stays to be shown
            return [f"the session failed: {type(error).__name__}: {error}"]
        return []

    def _levels(self, calls: list[Seen]) -> list[list[str]]:
        """The verdicts on each call at levels 1 to 4."""
        from hitl_opa.guard import Guard

        found: list[list[str]] = [[] for _ in calls]
        for level in LEVELS:
            other = Guard.open(msgspec.structs.replace(self._config, level=level, audit=":memory:"))
            for at, call in enumerate(calls):
                cwd = str(self._scene.sandbox.cwd)
                found[at].append(str(other.decide_sync(ToolCall(tool=call.tool, input=call.input, cwd=cwd)).verdict))
        return found

    def _faults(self, calls: list[Seen], report: Report) -> list[str]:
        """What should not have happened, from what is really there and not from what anybody says."""
        allowed = {c.tool + c.what for c in calls if c.verdict == "allow" or c.said == "approve"}
        faults = []
        if self._scene.reached_rm:
            faults.append("rm -rf / reached rm")
        if self._scene.env_touched and "Write.env" not in allowed:
            faults.append(".env was changed although nobody allowed it")
        if self._scene.deployed and not any(key.startswith("mcp__ops__deploy") for key in allowed):
            faults.append("something was deployed although nobody allowed it")
        faults += [f"{c.tool} {c.what} ran although it was denied" for c in calls if c.ended == "ran" and not _may(c)]
        if not report.ok:
            faults.append("the record does not verify")
        return faults

    def _title(self, live: str | None) -> None:
        say(Span("hitl-opa demo", "bold"), Span("  a real Claude Code session, every tool call guarded"))
        say(Span("level      ", "dim"), f"{self._level}: {LEVELS[self._level]}", hanging=11)
        model = "the real model, and you are the reviewer" if live is not None else "scripted, and so is the reviewer"
        say(Span("model      ", "dim"), model, hanging=11)
        say(Span("engine     ", "dim"), "the shipped Rego policies, in this process", hanging=11)
        say(Span("workspace  ", "dim"), "throw-away; `rm` is a stub in it, in case the guard should fail", hanging=11)

    def _table(self, calls: list[Seen], levels: list[list[str]]) -> None:
        heading("The same calls at each autonomy level")
        header = ["", *(f"level {n}{'*' if n == self._level else ''}" for n in LEVELS)]
        rows: list[list[Line | str]] = []
        for call, verdicts in zip(calls, levels, strict=True):
            name: Line = [*spans(call.tool.replace("mcp__ops__", "ops: "), "bold"), Span(" "), *spans(call.what)]
            rows.append([name, *([verdict(v)] for v in verdicts)])
        table(header, rows, shrink=0, indent=2)
        say(Span("* the level of this run. What policy denies is denied at every level.", "dim"), indent=2)

    def _summary(self, calls: list[Seen], report: Report, faults: list[str], seconds: float) -> None:
        heading("Summary")
        ran = sum(c.ended in {"ran", "failed"} for c in calls)
        asked = sum(c.verdict == "ask" for c in calls)
        denied = sum(c.verdict == "deny" for c in calls)
        rejected = sum(c.said == "reject" for c in calls)
        say(f"{len(calls)} calls: {ran} ran, {denied} denied by policy, {rejected} rejected by the reviewer", indent=2)
        rate = f"{asked} of {len(calls)} calls asked a human" if calls else "no call was made"
        say(rate, indent=2)
        if self._scene.deployed:
            say(*spans(f"deployed to: {', '.join(self._scene.deployed)}"), indent=2)
        if not faults:
            say(Span("nothing ran that was denied or rejected", "green"), "; rm was never reached", indent=2)
        for fault in faults:
            say(Span("! ", "danger"), *spans(fault), indent=2)
        heading("Record")
        show_report(report)
        say(Span(f"{seconds:.1f} s. Next: hitl-opa init", "dim"))


def _may(call: Seen) -> bool:
    return call.verdict == "allow" or call.said in {"approve", "edit"}


def _faults_of(run: AgentRun) -> list[str]:
    if run.error is not None:
        return [f"the session failed: {type(run.error).__name__}: {run.error}"]
    return [] if run.calls else ["the agent made no call"]
