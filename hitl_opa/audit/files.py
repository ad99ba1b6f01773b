"""Files that somebody else may have put there: read so that none of them makes the reader wait or grow."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """A descriptor of this file. Raises OSError, also where it is none: a pipe lets one wait, a device never ends."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0), mode)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("is no file")
    return descriptor


def read(path: Path) -> bytes:
    """All of a file. Raises OSError."""
    with os.fdopen(regular(path), "rb") as file:
        return file.read()


def lines(file: BinaryIO, most: int) -> Iterator[bytes]:
    """The lines of a file, up to the first that is longer than ``most`` bytes, of which a part comes."""
    while line := file.readline(most + 1):
        yield line
        if len(line) > most:
            return
