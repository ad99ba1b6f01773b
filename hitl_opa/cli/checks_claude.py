"""What ``hitl-opa doctor`` says of Claude Code's settings: whether the guard's hooks there would hold."""

from __future__ import annotations

import http.client
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hitl_opa.claude.code.settings import HOOK, KEY, PATH, hooks, installed, kind_of, longest, merged, parse
from hitl_opa.cli.checks import Check
from hitl_opa.cli.claude_code import SETTINGS
from hitl_opa.config import Config
from hitl_opa.errors import ConfigError
from hitl_opa.guard.opening import SOCKET
from hitl_opa.server.keys import find

MANAGED = {
    "darwin": Path("/Library/Application Support/ClaudeCode/managed-settings.json"),
    "win32": Path("C:/Program Files/ClaudeCode/managed-settings.json"),
}
SECONDS = 5.0  # that a server may take to answer


def claude_code(config: Config, managed: Path | None = None) -> Iterator[Check]:
    """Nothing where no settings that Claude Code reads here have the guard's hooks."""
    root = config.path(".")
    user = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude") / "settings.json"
    own = managed or MANAGED.get(sys.platform, Path("/etc/claude-code/managed-settings.json"))
    read: dict[Path, dict[str, Any]] = {}
    for file in dict.fromkeys([root / SETTINGS, root / ".claude/settings.local.json", user, own]):
        try:
            read[file] = parse(file.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError, RecursionError) as error:
            yield _fail(f"{file}: these are no settings: {error}", "mend the file: Claude Code ignores it, hooks too")
    if not any(map(installed, read.values())):
        return
    for file, settings in read.items():
        if settings.get("disableAllHooks"):
            yield _fail(f"{file} says disableAllHooks: no hook is asked", "take that out")
    for file, settings in read.items():
        if (hook := installed(settings)) is not None:
            yield from _held(config, file, settings, hook)


def _held(config: Config, file: Path, settings: dict[str, Any], hook: dict[str, Any]) -> Iterator[Check]:
    """Whether every call is matched and blocked when the guard fails, and whether the guard answers."""
    kind, root = kind_of(hook), config.path(".")
    again = f"hitl-opa init --claude-code --{kind} --settings {shlex.quote(str(file))}"
    url = str(hook.get("url", "")).removesuffix(PATH)
    ours = hooks(kind, seconds=longest(config), root=root, socket=config.path(SOCKET), url=url)
    if hook.get("matcher") not in ("*", "", None):
        yield _fail(f"{file}: the guard is asked of {hook['matcher']} only", again)
    elif hook.get("onFailure") != "block":
        yield _fail(f"{file}: without onFailure: block, calls run while the guard fails", again)
    elif kind != "http" and not _runs(hook):
        yield _fail(f"{file}: the hook's program is gone, so every call is blocked", again)
    elif _merged(settings, ours) != settings:
        detail = f"{file}: the hooks are not those that these settings need: another time limit, place or version"
        yield Check(name="claude code", status="warn", detail=detail, remedy=again)
    else:
        yield Check(name="claude code", status="ok", detail=f"every call is guarded by {file} ({kind})")
    if kind == "command":
        yield _listens(_argument(hook, "--socket"))
    elif kind == "http":
        yield _answers(url)
        yield from _key(config, file, settings)


def _merged(settings: dict[str, Any], ours: dict[str, list[dict[str, Any]]]) -> dict[str, Any] | None:
    try:
        return merged(settings, ours)
    except ConfigError:
        return None


def _runs(hook: dict[str, Any]) -> bool:
    words = shlex.split(str(hook.get("command", "")))
    return bool(words) and os.access(words[0], os.X_OK) and any(Path(word) == HOOK for word in words)


def _argument(hook: dict[str, Any], name: str) -> str:
    words = shlex.split(str(hook.get("command", "")))
    return words[words.index(name) + 1] if name in words[:-1] else ""


def _listens(path: str) -> Check:
    """Whether somebody answers on the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(SECONDS)
        try:
            probe.connect(min(path, os.path.relpath(path), key=len))  # the path of a socket has to be short
        except OSError as error:
            return _fail(
                f"nobody answers at {path} ({error.strerror or error}): every call is blocked", "hitl-opa serve"
            )
    return Check(name="claude code", status="ok", detail=f"`hitl-opa serve` answers at {path}")


def _answers(url: str) -> Check:
    """Whether the server can decide."""
    parts = urlsplit(url)
    https = parts.scheme == "https"
    try:
        connection = (http.client.HTTPSConnection if https else http.client.HTTPConnection)(
            parts.hostname or "", parts.port, timeout=SECONDS
        )
        connection.request("GET", f"{parts.path}/healthz")
        status = connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        return _fail(f"nobody answers at {url} ({error}): every call is blocked", "hitl-opa serve")
    if status != 200:
        return _fail(f"{url} answers {status}: it cannot decide", "look at its log")
    return Check(name="claude code", status="ok", detail=f"`hitl-opa serve` answers at {url}")


def _key(config: Config, file: Path, settings: dict[str, Any]) -> Iterator[Check]:
    """Whether the hook has a key that is known here, and nobody else can read it."""
    env = settings.get("env")
    written = env.get(KEY) if isinstance(env, dict) else None
    key = written or os.environ.get(KEY, "")
    if not key:
        detail, remedy = f"{KEY} is not set here: where Claude Code runs it has to be", "hitl-opa keys new claude-code"
        yield Check(name="claude code", status="warn", detail=detail, remedy=remedy)
        return
    if written and file.stat().st_mode & 0o077:
        yield _fail(f"others may read {file}, which holds a key", f"chmod 600 {shlex.quote(str(file))}")
    if config.keys and find(config.keys, f"Bearer {key}") is None:
        yield _fail(f"the key in {KEY} is none that these settings list: every call is blocked", "hitl-opa keys new")


def _fail(detail: str, remedy: str) -> Check:
    return Check(name="claude code", status="fail", detail=detail, remedy=remedy)
