"""The ``settings`` option: JSON or a file of it, which the CLI trusts above all other settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HARMLESS = frozenset(
    {
        *("$schema", "model", "language", "outputStyle", "effortLevel", "alwaysThinkingEnabled"),
        *("attribution", "includeCoAuthoredBy", "cleanupPeriodDays", "respectGitignore", "spinnerTipsEnabled"),
        # rules and modes of the CLI: its denials and dialogs come on top, its grants skip no hook
        *("permissions", "sandbox"),
    }
)
"""Settings that bring no hooks, commands, plugins or environment of their own."""

ASK_ALWAYS = "*"


def read_settings(value: str | None, cwd: str) -> dict[str, Any]:
    """The settings, read as the CLI reads them: JSON, or the path of a file of it. Raises OSError or ValueError."""
    if value is None or not value.strip():
        return {}
    text = value.strip()
    if not (text.startswith("{") and text.endswith("}")):
        text = Path(cwd, text).read_text(encoding="utf-8-sig")
    settings = json.loads(text)
    if not isinstance(settings, dict):
        raise TypeError(f"settings are {type(settings).__name__}, not an object")
    return settings


def harmful(settings: dict[str, Any]) -> list[str]:
    """The keys that could bring something past the guard, or that nobody has looked at."""
    return sorted(set(settings) - HARMLESS)


def always_ask(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings under which the CLI asks ``can_use_tool`` about every call.

    A resumed session re-runs a call that was deferred before SDK hooks are registered; the permission
    callback is there from the start, and an ask rule beats modes, grants and what the CLI holds for safe.
    """
    permissions = settings.get("permissions")
    permissions = dict(permissions) if isinstance(permissions, dict) else {}
    asks = permissions.get("ask")
    permissions["ask"] = [*(asks if isinstance(asks, list) else []), ASK_ALWAYS]
    return {**settings, "permissions": permissions}
