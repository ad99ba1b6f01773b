"""A home, a configuration and a working directory that nobody misses."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Self


class Sandbox:
    """Throw-away ``home``, ``config`` (CLAUDE_CONFIG_DIR) and ``cwd`` for an agent, below ``root``.

    Without a ``root`` a temporary directory is made, and removed when the context ends.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self._own = root is None
        self.root = Path(tempfile.mkdtemp(prefix="hitl-sandbox-") if root is None else root).resolve()
        self.home = self.root / "home"
        self.config = self.root / "config"
        self.cwd = self.root / "work"
        for directory in (self.home, self.config, self.cwd):
            directory.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._own:
            shutil.rmtree(self.root, ignore_errors=True)

    def env(self, url: str) -> dict[str, str]:
        """The CLI's environment: this sandbox, the model at ``url``, no other traffic, nothing of the host's agent."""
        inherited = {name: "" for name in os.environ if name.startswith(("ANTHROPIC_", "CLAUDE_"))}
        env = {
            **inherited,
            "HOME": str(self.home),
            "CLAUDE_CONFIG_DIR": str(self.config),
            "ANTHROPIC_API_KEY": "sk-ant-scripted",
            "ANTHROPIC_BASE_URL": url,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_AUTOUPDATER": "1",
            "ENABLE_TOOL_SEARCH": "false",
        }
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            env["IS_SANDBOX"] = "1"  # or bypassPermissions is refused to root
        return env

    def write(self, path: str, content: str) -> Path:
        """A file below ``cwd``, its directories made."""
        target = self.cwd / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        return target

    def files(self) -> set[str]:
        """Every file below ``cwd``, relative to it."""
        return {str(path.relative_to(self.cwd)) for path in self.cwd.rglob("*") if path.is_file()}
