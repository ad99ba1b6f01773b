"""`hitl-opa` as a program, for tests; on the path of every test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = "from hitl_opa.cli import main; main()"


def cli(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """`hitl-opa` in ``cwd``."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
