"""What ``hitl-opa doctor`` looks at: each check says what it found, and what to do where that is not good."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import msgspec

from hitl_opa.audit import AuditLog
from hitl_opa.cli.settings import ASIDE, open_guard
from hitl_opa.config import Config
from hitl_opa.database import MEMORY
from hitl_opa.errors import HitlError
from hitl_opa.guard import Guard
from hitl_opa.guard.opening import open_trust
from hitl_opa.model import Decision, ToolCall, Verdict

LIBRARIES = {
    "msgspec": "msgspec",
    "gordon-to-regorus": "regorus",
    "tree-sitter": "tree_sitter",
    "tree-sitter-bash": "tree_sitter_bash",
    "sqlglot": "sqlglot",
    "rfc8785": "rfc8785",
    "structlog": "structlog",
    "claude-agent-sdk": "claude_agent_sdk",
}
SPACE = 200_000_000
SKEW_SECONDS = 300.0


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. ``remedy`` is what to do, ``""`` where nothing is to be done."""

    name: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    remedy: str = ""


def installation() -> Iterator[Check]:
    """This Python, the libraries, the Claude Code CLI that the SDK brings."""
    yield Check(name="python", status="ok", detail=f"{platform.python_version()} at {sys.executable}")
    missing = [name for name, module in LIBRARIES.items() if find_spec(module) is None]
    found = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES if name not in missing)
    if missing:
        yield _fail("libraries", f"missing: {', '.join(missing)}", "pip install --force-reinstall hitl-opa")
    else:
        yield Check(name="libraries", status="ok", detail=found)
    yield bundled_cli()


def bundled_cli() -> Check:
    """Whether the SDK's own CLI runs at all."""
    spec = find_spec("claude_agent_sdk")
    if spec is None or spec.origin is None:
        return _fail("claude cli", "the Claude Agent SDK is not installed", "pip install claude-agent-sdk")
    cli = Path(spec.origin).parent / "_bundled" / ("claude.exe" if sys.platform == "win32" else "claude")
    if not cli.exists():
        return Check(
            name="claude cli",
            status="warn",
            detail=f"the SDK brings none ({cli} is missing); it will look for `claude` on PATH",
            remedy="install a platform wheel of claude-agent-sdk",
        )
    try:
        said = subprocess.run([str(cli), "--version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return _fail("claude cli", f"{cli} does not run: {error}", "reinstall claude-agent-sdk")
    return Check(name="claude cli", status="ok", detail=said.stdout.strip())


def opa_tool() -> Check:
    """Whether `opa` is there, for tests, formatting and bundles."""
    from hitl_opa.policy.opa_tool import find_opa, run_opa

    found = find_opa()
    if found is None:
        return Check(
            name="opa",
            status="warn",
            detail="not found: `policy test` runs on the embedded engine, `policy fmt` does not run",
            remedy="make opa, or install it from openpolicyagent.org",
        )
    try:
        said = run_opa(found, "version", timeout=30).splitlines()
    except HitlError as error:
        return _fail("opa", f"{found}: {error}", "make opa")
    return Check(name="opa", status="ok", detail=f"{said[0].removeprefix('Version: ') if said else '?'} at {found}")


def engine(config: Config) -> Iterator[Check]:
    """Whether policies load, and decide what must come out so whatever the settings."""
    try:
        with open_guard(msgspec.structs.replace(config, **ASIDE)) as guard:
            yield from _decisions(guard, config)
    except HitlError as error:
        yield _fail("policies", str(error), "hitl-opa policy lint shows where")


def _decisions(guard: Guard, config: Config) -> Iterator[Check]:
    where = "this process" if config.opa is None else config.opa.url
    yield Check(name="policies", status="ok", detail=f"decided in {where}, autonomy level {config.level}")
    cwd = str(Path.cwd())
    blocked = guard.decide_sync(ToolCall(tool="Bash", input={"command": "rm -rf /"}, cwd=cwd))
    if _denied_by_policy(blocked):
        yield Check(name="denies", status="ok", detail=f"rm -rf / is denied by {blocked.reasons[0].rule}")
    else:
        yield _fail("denies", f"rm -rf / is {blocked.verdict}: {blocked.reason}", _remedy(config))
    read = guard.decide_sync(ToolCall(tool="Read", input={"file_path": f"{cwd}/README.md"}, cwd=cwd))
    if read.verdict is Verdict.DENY:
        yield _fail("reads", f"reading a file of the workspace is denied: {read.reason}", _remedy(config))
    else:
        yield Check(name="reads", status="ok", detail=f"reading a file of the workspace: {read.verdict}")


def clock(config: Config, now: Callable[[], float] = time.time) -> Check:
    """A record with wrong times is a bad record, and expiries trust the clock."""
    current = now()
    installed = Path(__file__).stat().st_mtime
    shown = datetime.fromtimestamp(current, UTC).isoformat(timespec="seconds")
    if current < installed - SKEW_SECONDS:
        return _fail("clock", f"{shown} is before hitl-opa was installed", "set the clock, e.g. with NTP")
    last = _last_record(config)
    if last is not None and last > current + SKEW_SECONDS:
        return _fail("clock", f"{shown} is before the last record", "set the clock, e.g. with NTP")
    return Check(name="clock", status="ok", detail=shown)


def permissions(config: Config, source: Path | None) -> Iterator[Check]:
    """Whether somebody else may change what guards the agent, or read its record."""
    own = [source or config.path("hitl.yaml"), *(config.path(p) for p in config.policies)]
    files = [file for path in own if path.exists() for file in (path, *(path.rglob("*") if path.is_dir() else ()))]
    bad = [f for f in files if f.lstat().st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not f.is_symlink()]
    if bad:
        names = " ".join(str(f) for f in bad[:5])
        yield _fail("settings", f"others may change {names}", f"chmod go-w {names}")
    elif files:
        yield Check(name="settings", status="ok", detail=f"nobody else may change {len(files)} file(s) of the guard")
    else:
        yield Check(name="settings", status="ok", detail="no hitl.yaml, so the defaults; hitl-opa init writes one")
    foreign = [f for f in files if hasattr(os, "getuid") and f.lstat().st_uid not in {0, os.getuid()}]
    if foreign:
        yield _fail("owner", f"{foreign[0]} belongs to another user", f"chown {os.getuid()} {foreign[0]}")
    if config.record == MEMORY or config.database:
        return
    database = Path(config.record)
    record = [p for p in (database, Path(f"{database}-wal"), Path(f"{database}-shm")) if p.exists()]
    loose = [p for p in record if p.stat().st_mode & 0o077]
    if loose:
        names = " ".join(map(str, loose))
        yield Check(name="record file", status="warn", detail=f"others may read {names}", remedy=f"chmod 600 {names}")


def record(config: Config) -> Iterator[Check]:
    """Whether the record verifies, and has room to grow."""
    if config.record == MEMORY:
        yield Check(
            name="record",
            status="warn",
            detail="kept in memory only: it is gone when the process ends",
            remedy="set audit in hitl.yaml to a file",
        )
        return
    database = Path(config.record)
    if not config.database and not database.exists():
        yield Check(name="record", status="ok", detail=f"none yet; it will be {database}")
    else:
        try:
            with AuditLog.open(config.record, readonly=True) as log:
                report = open_trust(config).verify(log)
        except HitlError as error:
            yield _fail("record", str(error), "restore it from a backup, or move it away")
            return
        if report.ok:
            signed = f", {sum(h.signed for h in report.streams)} are signed for" if config.checkpoints else ""
            yield Check(name="record", status="ok", detail=f"{report.records} records verify{signed}")
        else:
            yield _fail("record", f"{report.problems[0]}", "hitl-opa audit verify names all that was changed")
    if config.database:
        return
    parent = next(p for p in (database.parent, *database.parents) if p.exists())
    free = shutil.disk_usage(parent).free
    if free < SPACE:
        yield _fail("space", f"{free // 1_000_000} MB left where the record is", "make room: a full disk denies all")


def terminal() -> Check:
    """Whether somebody can be asked here."""
    from hitl_opa.terminal.reviewer import TERMINAL
    from hitl_opa.terminal.tty import NoTerminal, Tty

    try:
        with Tty(TERMINAL):
            return Check(name="terminal", status="ok", detail="a reviewer can be asked here")
    except NoTerminal as error:
        return Check(
            name="terminal",
            status="warn",
            detail=f"nobody can be asked here: {error}",
            remedy="calls that ask are denied without another reviewer",
        )


def _denied_by_policy(decision: Decision) -> bool:
    """A deny of the guard's own would look like one and prove nothing."""
    return decision.verdict is Verdict.DENY and decision.reasons[0].pack != "guard"


def _remedy(config: Config) -> str:
    return "hitl-opa policy test" if config.opa is None else f"is the policy bundle loaded at {config.opa.url}?"


def _last_record(config: Config) -> float | None:
    if config.record == MEMORY or not (config.database or Path(config.record).exists()):
        return None
    try:
        with AuditLog.open(config.record, readonly=True) as log:
            last = list(log.tail(1))
    except HitlError:
        return None  # the record's own check says what is wrong with it
    return datetime.fromisoformat(last[0].timestamp[:19] + "+00:00").timestamp() if last else None


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"


def _fail(name: str, detail: str, remedy: str) -> Check:
    return Check(name=name, status="fail", detail=detail, remedy=remedy)
