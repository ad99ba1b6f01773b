"""Folders that hold what is secret: who copies one as a whole reads the credentials in it."""

from __future__ import annotations

import re
from functools import lru_cache

from hitl_opa.facts.data import load

_ALL = frozenset({"", "/home", "/users", "/root", "/var/root", "/c/users", "/export/home"})
_HOME = re.compile(r"/(?:home|users|c/users|export/home)/[^/]+|/root|/var/root")


@lru_cache(maxsize=256)
def holds_secrets(path: str, home: str) -> bool:
    """Whether well-known credentials, or somebody's home, lie below ``path`` (``/*`` as in a shell)."""
    folder = path.casefold().rstrip("/")
    plain = folder.endswith("/*")  # names that begin with a dot are left out
    folder = folder.removesuffix("/*")
    if folder in _ALL or _holds(load().places.absolute, folder + "/", plain):
        return True
    home = home.casefold()
    base = home if home and (folder + "/").startswith(home + "/") else ""
    if not base and (match := _HOME.match(folder)):
        base = match[0]
    return bool(base) and _holds(load().places.home, f"{folder[len(base) + 1 :]}/".lstrip("/"), plain)


def _holds(table: dict[str, str], beginning: str, plain: bool) -> bool:
    return any(
        place == "credentials" and name.startswith(beginning) and not (plain and name[len(beginning) :][:1] == ".")
        for name, place in table.items()
    )
