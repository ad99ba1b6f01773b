"""The real ``opa``: where it is, and what it says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from hitl_opa.errors import PolicyError


def find_opa() -> str | None:
    """The path of ``opa``: this checkout's ``.opa/opa``, else the one on PATH, else None."""
    local = Path(__file__).resolve().parents[2] / ".opa" / "opa"
    return str(local) if local.is_file() else shutil.which("opa")


def run_opa(
    opa: str, *arguments: str, timeout: float = 120.0, ok: tuple[int, ...] = (0,), cwd: Path | None = None
) -> str:
    """What ``opa`` prints; PolicyError with its own words if it fails or takes longer than ``timeout`` seconds.

    ``ok``: the exit codes that are no failure.
    """
    try:
        done = subprocess.run([opa, *arguments], capture_output=True, text=True, timeout=timeout, check=False, cwd=cwd)
    except subprocess.TimeoutExpired:
        raise PolicyError(f"opa {arguments[0]} took longer than {timeout:g} s") from None
    except OSError as error:
        raise PolicyError(f"{opa} cannot be run: {error.strerror}") from None
    if done.returncode not in ok:
        raise PolicyError(f"opa {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
