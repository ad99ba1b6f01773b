"""Symbolic links, followed; every folder is looked at once a call."""

from __future__ import annotations

import os
import stat


class Links:
    """Where paths really lie, for the paths of one call."""

    def __init__(self) -> None:
        self._reals: dict[str, str] = {"": "", "/": "/"}

    def add(self, path: str, target: str) -> None:
        """A link that the call itself makes, and what it leads to."""
        self._reals = {p: real for p, real in self._reals.items() if not (p + "/").startswith(path + "/")}
        self._reals[path] = self.follow(target)

    def follow(self, path: str) -> str:
        """Symlinks followed; a path that cannot be looked at stays as written."""
        known = self._reals.get(path)
        if known is not None:
            return known
        if path[:1] != "/" or "/." in path or "//" in path:
            return _resolved(path)
        start, above = "", ""  # the longest folder above that was looked at, and where it really lies
        end = len(path)
        while (end := path.rfind("/", 0, end)) > 0:
            if (found := self._reals.get(path[:end])) is not None:
                start, above = path[:end], found
                break
        for name in path[len(start) + 1 :].split("/"):
            start = f"{start}/{name}"
            above = f"{above}/{name}" if above != "/" else f"/{name}"
            try:
                link = stat.S_ISLNK(os.lstat(above).st_mode)
            except FileNotFoundError:  # nothing below it can be a link
                self._reals[start] = above
                return self._reals.setdefault(path, above + path[len(start) :])
            except (OSError, ValueError):
                link = False
            if link:
                above = _resolved(above)
            self._reals[start] = above
        return above


def _resolved(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path
