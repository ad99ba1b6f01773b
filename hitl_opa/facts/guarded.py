"""The guard's own files that are really there: what a search by name may hit without naming it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

MAX_FILES = 2_000
_CACHES = frozenset({"__pycache__"})  # made again by themselves, and deleted all day


def files_below(folder: str, guarded: Iterable[str]) -> Iterator[str]:
    """Files of the guard below ``folder``, at most ``MAX_FILES``; ``guarded`` are its files and folders."""
    prefix = folder.rstrip("/") + "/"
    seen = 0
    for path in guarded:
        if not path.startswith(prefix):
            continue
        if Path(path).is_file():
            yield path
            continue
        for root, folders, names in os.walk(path):
            folders[:] = [name for name in folders if name not in _CACHES]
            for name in names:
                seen += 1
                if seen > MAX_FILES:
                    return
                yield f"{root}/{name}"
