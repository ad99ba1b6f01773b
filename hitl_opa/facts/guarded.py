"""The guard's own files that are really there: what a search by name may hit without naming it."""

# ruff: noqa: PTH116

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

MAX_FILES = 2_000
_SITE = str(Path(__file__).resolve().parents[2]) + "/"  # where this package is installed
_CACHES = frozenset({"__pycache__"})  # made again by themselves, and deleted all day


def files_below(folder: str, workspace: str, guarded: Iterable[str]) -> Iterator[str]:
    """Files of the guard below ``folder``, at most ``MAX_FILES``; ``guarded`` are its files and folders.

    The installed package counts where the search aims at it, or it lies in the workspace: a search of the
    whole disk hits every program, and what that means must not depend on where this one is installed.
    """
    prefix = folder.rstrip("/") + "/"
    seen = 0
    for path in guarded:
        if not path.startswith(prefix):
            continue
        if path.startswith(_SITE) and len(prefix) < len(_SITE) and not path.startswith(workspace + "/"):
            continue
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(mode):
            yield path
            continue
        for root, folders, names in os.walk(path):
            folders[:] = [name for name in folders if name not in _CACHES]
            for name in names:
                seen += 1
                if seen > MAX_FILES:
                    return
                yield f"{root}/{name}"
