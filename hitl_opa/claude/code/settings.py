"""The guard's hooks in a settings file of Claude Code: put in, found again, taken out."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any, Literal

from hitl_opa.config import Config
from hitl_opa.errors import ConfigError
from hitl_opa.guard.review import MAX_ROUNDS

Kind = Literal["command", "http", "alone"]
"""How a hook reaches the guard: over the server's Unix socket, over HTTP, or in a process of its own."""

HOOK = Path(__file__).resolve().parent / "hook.py"
PATH = "/hooks/claude-code"
KEY = "HITL_OPA_KEY"
"""The environment variable that HTTP hooks take their API key from."""

MARGIN = 10.0
"""Seconds that Claude Code waits longer than the guard, which blocks with a reason of its own."""


def longest(config: Config) -> float:
    """The longest that one call may take to be settled, in seconds."""
    return MAX_ROUNDS * config.deadline + config.attended + 1.0


def hooks(kind: Kind, *, seconds: float, root: Path, socket: Path, url: str) -> dict[str, list[dict[str, Any]]]:
    """The hooks by event. ``seconds``: the longest that one call may take to be settled."""
    hook: dict[str, Any]
    if kind == "http":
        hook = {
            "type": "http",
            "url": url.rstrip("/") + PATH,
            "headers": {"Authorization": f"Bearer ${KEY}"},
            "allowedEnvVars": [KEY],
        }
    else:
        where = ["--socket", str(socket)] if kind == "command" else ["--decide", str(root)]
        # the interpreter without site-packages, and without anything that the environment could put in its way
        command = [sys.executable, "-I", "-S", str(HOOK), *where, "--seconds", f"{seconds + MARGIN / 2:g}"]
        hook = {"type": "command", "command": shlex.join(command)}
    hook["timeout"] = int(seconds + MARGIN) + 1
    after = [{"matcher": "*", "hooks": [hook]}]
    # on the hook itself: beside the matcher Claude Code does not look at it
    before = [{"matcher": "*", "hooks": [{**hook, "onFailure": "block"}]}]
    # Claude Code asks nobody over HTTP when a session starts
    start = {} if kind == "http" else {"SessionStart": after}
    return {"PreToolUse": before, "PostToolUse": after, "PostToolUseFailure": after, **start}


def installed(settings: dict[str, Any]) -> dict[str, Any] | None:
    """The guard's hook before tool calls, None where the settings have none."""
    events = settings.get("hooks")
    matchers = events.get("PreToolUse") if isinstance(events, dict) else None
    for matcher in matchers if isinstance(matchers, list) else ():
        asked = matcher.get("hooks") if isinstance(matcher, dict) else None
        for hook in asked if isinstance(asked, list) else ():
            if _is_ours(hook):
                return {"matcher": matcher.get("matcher"), **hook}
    return None


def kind_of(hook: dict[str, Any]) -> Kind:
    """How a hook of the guard reaches it."""
    if hook.get("type") == "http":
        return "http"
    return "alone" if "--decide" in str(hook.get("command")) else "command"


def without(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without the guard's hooks; what that leaves empty goes, unless it was empty before."""
    events = settings.get("hooks")
    if not isinstance(events, dict):
        return settings
    kept: dict[str, Any] = {}
    for event, matchers in events.items():
        left = _others(matchers)
        if left or not matchers:
            kept[event] = left
    rest = {name: value for name, value in settings.items() if name != "hooks"}
    if not kept and events:
        return rest
    return {name: kept if name == "hooks" else value for name, value in settings.items()}


def merged(settings: dict[str, Any], ours: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The settings with these hooks of the guard and no other; everything else stays.

    Raises ConfigError where something in the settings would keep the hooks from being asked.
    """
    if settings.get("disableAllHooks"):
        raise ConfigError("the settings say disableAllHooks, with which no hook is asked: take that out first")
    if not isinstance(settings.get("hooks", {}), dict):
        raise ConfigError(f"`hooks` is {type(settings['hooks']).__name__} in the settings, not an object")
    urls = [hook["url"] for matchers in ours.values() for m in matchers for hook in m["hooks"] if "url" in hook]
    allowed = settings.get("allowedHttpHookUrls")
    if urls and isinstance(allowed, list) and urls[0] not in allowed:
        raise ConfigError(f"the settings allow HTTP hooks to allowedHttpHookUrls only: add {urls[0]} there first")
    clean = without(settings)
    events: dict[str, Any] = dict(clean.get("hooks", {}))
    for event, matchers in ours.items():
        there = events.get(event, [])
        if not isinstance(there, list):
            raise ConfigError(f"hooks.{event} is {type(there).__name__} in the settings, not a list")
        events[event] = [*there, *matchers]
    return {**clean, "hooks": events}


def parse(text: str) -> dict[str, Any]:
    """Settings from a file's text, ``{}`` from an empty one. Raises ValueError or TypeError."""
    settings = json.loads(text) if text.strip() else {}
    if not isinstance(settings, dict):
        raise TypeError(f"they are {type(settings).__name__}, not an object")
    return settings


def dump(settings: dict[str, Any], like: str) -> str:
    """The settings as text, indented as in ``like``."""
    found = re.search(r'\n([ \t]+)"', like)
    text = json.dumps(settings, indent=found[1] if found else 2, ensure_ascii=False)
    return text + ("\n" if like.endswith("\n") or not like else "")


def _others(matchers: Any) -> Any:
    if not isinstance(matchers, list):
        return matchers
    left = []
    for matcher in matchers:
        asked = matcher.get("hooks") if isinstance(matcher, dict) else None
        if not isinstance(asked, list) or not any(_is_ours(hook) for hook in asked):
            left.append(matcher)
        elif others := [hook for hook in asked if not _is_ours(hook)]:
            left.append({**matcher, "hooks": others})
    return left


def _is_ours(hook: Any) -> bool:
    if not isinstance(hook, dict):
        return False
    command, url = str(hook.get("command", "")), str(hook.get("url", ""))
    return "/".join(HOOK.parts[-4:]) in command or url.endswith(PATH)
