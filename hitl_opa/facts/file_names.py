"""Names of files and folders that say what lies in them, wherever that is."""

from __future__ import annotations

import fnmatch
import re
from functools import cache, lru_cache

from hitl_opa.facts.data import load

PUBLIC = (".pub", "known_hosts")  # of what lies with credentials, the part that is none


def sensitive(low: str) -> str:
    """The place that the name alone, or a folder of that name anywhere, decides."""
    places = load().places
    name = low[low.rfind("/") + 1 :]
    if "/." in low:
        parts = low.split("/")
        for i, part in enumerate(parts):
            if part[:1] == "." and len(part) > 1:
                for end in (i + 2, i + 1):
                    found = places.anywhere.get("/".join(parts[i:end]))
                    if part == ".git" and ("hooks" in parts[i + 1 : -1] or name in ("attributes", "config")):
                        found = "git-hooks"  # of a submodule or a work tree, and what runs filters
                    if found and not (found == "git-internals" and end == i + 2):
                        if found == "credentials" and name.endswith(PUBLIC):
                            continue
                        return found
    return _named(name)


@lru_cache(maxsize=1024)
def _named(name: str) -> str:
    """The place that a file's own name decides."""
    found = load().places.names.get(name)
    if found is not None:
        return found
    match = _name_pattern().match(name)
    return match.lastgroup.replace("_", "-") if match and match.lastgroup else ""


@cache
def _name_pattern() -> re.Pattern[str]:
    by_place: dict[str, list[str]] = {}
    for pattern, place in load().places.globs:
        by_place.setdefault(place, []).append(fnmatch.translate(pattern))
    excluded = "|".join(by_place.pop("", []) or ["(?!)"])
    groups = "|".join(f"(?P<{place.replace('-', '_')}>{'|'.join(ps)})" for place, ps in by_place.items())
    return re.compile(f"(?!{excluded})(?:{groups})")
