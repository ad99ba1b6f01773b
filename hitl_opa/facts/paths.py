"""Where a path lies: resolved lexically and, where files exist, physically; then classified by data.

Covered: ``..``, ``~`` and ``~user``, symlinks that exist when the facts are read, case-folding file
systems, Windows drive paths, globs (the place of what they are under), paths with an unknown part.
Not covered: hard links (one inode, two names), bind mounts, and anything that changes between this
reading and the call. An approval binds to real paths and content hashes for that reason.
"""

# ruff: noqa: PTH100, PTH120

from __future__ import annotations

import fnmatch
import os
import re
from functools import cache, lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from hitl_opa.facts.data import load
from hitl_opa.facts.file_names import PUBLIC, sensitive
from hitl_opa.facts.guarded import files_below
from hitl_opa.facts.links import Links

UNKNOWN = "\0"  # stands in words for a part that is not known; input has no NULs left when words are read

# Strictest first: where the name as written and the file it resolves to differ, the stricter place counts.
STRICTNESS = (
    "guard", "root", "home-root", "device", "system-auth", "credentials", "boot", "autostart", "shell-startup",
    "env-file", "git-hooks", "ci", "git-internals", "package-config", "logs", "proc", "system", "unknown",
    "dotfile", "outside", "home", "temp", "workspace", "null",
)  # fmt: skip
_RANK = {place: rank for rank, place in enumerate(STRICTNESS)}
_OTHER_HOME = re.compile(r"(/home/[^/]+|/users/[^/]+|/root|/var/root|/c/users/[^/]+|/export/home/[^/]+)(?:/|$)")
_FILE_URL = re.compile(r"file:(?://(?:localhost|127\.0\.0\.1|\[::1\])?(?=/))?/+(.*)\Z", re.IGNORECASE | re.DOTALL)
_PROC_ROOT = re.compile(r"/proc/[^/]+(?:/task/[^/]+)?/root(?=/|\Z)")  # another name for "/"
_PROC_CWD = re.compile(r"/proc/[^/]+(?:/task/[^/]+)?/cwd(?=/|\Z)")  # another name for a directory of a process
_NAMED_HOME = re.compile(r"(?:\$HOME|\$\{HOME\}|%USERPROFILE%|%HOMEPATH%|\$env:USERPROFILE)(?=[/\\]|\Z)", re.IGNORECASE)
_PROVIDER = re.compile(r"(?i)(HKLM|HKCU|HKCR|HKU|HKCC|HKEY_[A-Z_]+|Registry|Cert|WSMan)(?:(?:::?)?(?=[\\])|::?(?=/))")
_PADDING = re.compile(r"(?:(?<=[^/ .])[ .]+|::\$data)(?=/|\Z)")  # what Windows drops from the end of a name
_DRIVE = re.compile(r"(?:/mnt/|/cygdrive/)?([A-Za-z]):?[\\/]")
_SENSITIVE_GLOB = ("/etc/passwd", "/etc/shadow", "/etc/sudoers", "/etc/gshadow", "/etc/group", "/etc/ld.so.preload")


class Location(NamedTuple):
    """Absolute path (``""`` where unknown), its place, whether it lies in the workspace, and whether that is sure.

    ``kept``: the place of secrets that a pattern matches besides, which counts for whoever reads.
    """

    real: str
    place: str
    inside: bool
    certain: bool
    kept: str = ""


class Paths:
    """Resolves the paths of one call."""

    def __init__(
        self, *, cwd: str, workspace: str, home: str, protected: tuple[str, ...] = (), claude: str = ""
    ) -> None:
        self.workspace = _plain(workspace or cwd)
        self.home = _plain(home)
        self.cwd = _plain(cwd) or self.workspace
        self._links = Links()
        self._real = self._links.follow
        self._seen: dict[tuple[str, str, bool], Location] = {}
        self._workspace = self._real(self.workspace).casefold() if self.workspace else ""
        self._home = self._real(self.home).casefold() if self.home else ""
        default = f"{self._home}/.claude/" if self._home else ""
        self._claude = f"{self._real(_plain(claude)).casefold()}/" if claude else default
        named = [plain for raw in protected if (plain := _plain(raw))]
        real = [self._real(plain) for plain in named]
        self._guarded = tuple(dict.fromkeys(real))
        self._protected = tuple(
            dict.fromkeys(path.casefold() for pair in zip(named, real, strict=True) for path in pair)
        )

    def link(self, path: str, target: str) -> None:
        """From here on the call reaches ``target`` as ``path`` (both absolute)."""
        self._links.add(path, target)
        self._seen.clear()

    def is_plan(self, real: str) -> bool:
        """Whether Claude Code keeps a plan there."""
        low = real.casefold()
        name = low.removeprefix(f"{self._claude}plans/") if self._claude else low
        return name != low and "/" not in name and name.endswith(".md")

    def guarded_below(self, text: str, cwd: str) -> list[str]:
        """The guard's files that are there below the folder ``text``, relative to it: ``./.hitl/hitl.db`` …"""
        folder = self._locate(text, cwd, False).real
        if not folder:
            return []
        own = [f"{self.workspace}/{name}" for name, place in load().places.workspace.items() if place == "guard"]
        found = files_below(folder, self._real(self.workspace), (*self._guarded, *own))
        return list(dict.fromkeys(f"{text.rstrip('/')}/{os.path.relpath(path, folder)}" for path in found))

    def locate(self, text: str, cwd: str, *, glob: bool = False) -> Location:
        """Where ``text`` lies when used in ``cwd`` (``UNKNOWN`` where that is not known)."""
        key = (text, cwd, glob)
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = self._locate(text, cwd, glob)
        return found

    def join(self, text: str, cwd: str) -> str:
        """The absolute path that ``text`` means in ``cwd``, not normalised; ``UNKNOWN`` in it where unknown."""
        if text[:1] == UNKNOWN:
            return text
        if text[:5].lower() == "file:" and (match := _FILE_URL.match(text)):
            text = "/" + unquote(match[1]).lstrip("/")
        if text[:1] == "/":
            match = _DRIVE.match(text) if text[:5] == "/mnt/" or text[:10] == "/cygdrive/" else None
            return f"/{match[1].lower()}/{text[match.end() :]}" if match else text
        if text[:1] == "~":
            user, _, rest = text[1:].partition("/")
            if not user or user == "+":
                return f"{(self.home if not user else cwd) or UNKNOWN}/{rest}"
            if user == "-":
                return f"{UNKNOWN}/{rest}"
            base = (
                "/root"
                if user == "root"
                else f"{os.path.dirname(self.home) if self.home.count('/') > 1 else '/home'}/{user}"
            )
            return f"{base}/{rest}"
        if text[:1] in "HhRrCcWw" and (match := _PROVIDER.match(text)):  # of PowerShell: its registry is no file
            return f"/{match[1].lower()}/" + text[match.end() :].replace("\\", "/").lstrip("/")
        if len(text) > 2 and text[1] == ":" and text[0].isalpha():  # without a slash: below the drive's own directory
            return f"/{text[0].lower()}/" + text[2:].replace("\\", "/").lstrip("/")
        return f"{cwd or UNKNOWN}/{text}"

    def _locate(self, text: str, cwd: str, glob: bool) -> Location:
        path = self.join(text, cwd)
        if UNKNOWN in path:
            return self._partly_known(path)
        if len(path) > 4096:
            return Location(path[:4096], "unknown", False, False)
        if path[:6] == "/proc/":
            path = self._through_proc(path)
        lexical = _normal(path) if "/." in path or "//" in path or path[-1:] == "/" else path
        if glob:
            return self._glob(lexical)
        if "\\" in lexical or "%" in lexical or "$" in lexical or lexical[-1:] in " ." or "::$" in lexical:
            return self._otherwise(lexical)
        return self._found(lexical, path)

    def _through_proc(self, path: str) -> str:
        while match := _PROC_ROOT.match(path):
            path = path[match.end() :] or "/"
        match = _PROC_CWD.match(path)
        if match:
            path = (self.cwd or "/proc/self/cwd") + path[match.end() :]
        return path

    def _otherwise(self, path: str) -> Location:
        """The strictest of what a name can mean to programs that expand it or follow the rules of Windows."""
        best = self._found(path, path)
        text = path
        if self.home and (match := _NAMED_HOME.search(text)):
            text = self.home + text[match.end() :]
        if "\\" in text:
            slashed = text.replace("\\", "/")
            at = slashed.find("//", 1)  # a share: \\\\server\\share
            text = slashed[at:] if at > 0 else slashed
        text = _PADDING.sub("", text)
        if text and text != path:
            text = _normal(text)
            other = self._found(text, text)
            if _RANK[other.place] < _RANK[best.place] or best.place == "workspace" != other.place:
                return other
        return best

    def _found(self, lexical: str, path: str) -> Location:
        real = self._real(lexical) if "/.." not in path else _normal(os.path.realpath(path))
        if lexical == real:
            return self._location(real, True)
        first, second = self._location(real, True), self._location(lexical, True)
        return first if _RANK[first.place] <= _RANK[second.place] else Location(real, second.place, first.inside, True)

    def below(self, at: Location) -> str:
        """The strictest place of what lies below a directory: what moving or deleting it reaches."""
        low = at.real.casefold()
        if not low or at.place in ("root", "home-root", "guard") or low == self._workspace:
            return at.place
        best = at.place
        if any(p.startswith(low + "/") for p in self._protected):
            best = "guard"
        tables = []
        if self._inside(low) and self._workspace != "/":
            tables.append(("workspace", low[len(self._workspace) + 1 :]))
        elif self._home and low.startswith(self._home + "/"):
            tables.append(("home", low[len(self._home) + 1 :]))
        tables.append(("absolute", low))
        for table, name in tables:
            place = _strictest_below(table).get(name, best) if name[:1] in "./" else best
            if _RANK[place] < _RANK[best]:
                best = place
        return best

    def _location(self, path: str, certain: bool) -> Location:
        low = path.casefold()
        return Location(path, self._place(low), self._inside(low), certain)

    def _inside(self, low: str) -> bool:
        workspace = self._workspace
        return bool(workspace) and (low == workspace or low.startswith(workspace + "/") or workspace == "/")

    def _partly_known(self, path: str) -> Location:
        head, _, tail = path.partition(UNKNOWN)
        folder = head[: head.rfind("/") + 1]
        tail = tail[tail.rfind(UNKNOWN) + 1 :]
        if "/" in tail or tail[:1] == ".":
            named = sensitive("/?" + tail.casefold())
            if named:
                return Location("", named, False, False)
        if len(folder) > 1:
            if "/" in tail and self._inside(folder.casefold()):
                own, _ = _longest(load().places.workspace, tail.casefold().lstrip("/"))
                if own:
                    return Location("", own, True, False)
            known = self._location(_normal(folder), False)
            if known.place not in ("root", "home-root"):
                return known._replace(real="")
        return Location("", "unknown", False, False)

    def _glob(self, path: str) -> Location:
        """A pattern: the place of what it can match, which is at least that of the folder above the first star."""
        match = re.search(r"[*?\[]", path)
        if match is None:
            return self._location(self._real(path), True)
        folder = path[: path.rfind("/", 0, match.start())] or "/"
        base = self._real(folder) if folder != "/" else "/"
        rest = path[len(folder) if folder != "/" else 0 :]
        if rest.strip("*/.?") == "" and rest[:2] in (
            "/*",
            "/?",
            "/[",
            "/.",
        ):  # everything in the folder: as the folder itself
            found = self._location(base, True)
            return found._replace(real=base.rstrip("/") + rest)
        sample = self._location(base.rstrip("/") + rest, True)
        best = sample
        low_base = base.rstrip("/").casefold()
        for name in _glob_candidates(base.casefold(), self._home, self._workspace, self._protected):
            if not _matches(name[len(low_base) :], rest.casefold()):
                continue
            place = self._place(name)
            if place == "guard" and rest[1:2] in "*?[" and not os.path.lexists(name):
                continue  # "*.yaml" where no such file is
            if place in ("credentials", "env-file"):
                best = best._replace(kept=place)
            if _RANK[place] < _RANK[best.place]:
                best = Location(sample.real, place, sample.inside, False, best.kept)
        return best

    def _place(self, low: str) -> str:
        for guarded in self._protected:
            if low == guarded or low.startswith(guarded + "/"):
                return "guard"
        named = sensitive(low)
        if named in ("guard", "credentials", "env-file", "git-hooks"):
            return named
        data = load().places
        workspace, home = self._workspace, self._home
        if self._claude and low.startswith(self._claude):  # the same wherever Claude Code keeps it
            own, _ = _longest(data.home, ".claude/" + low[len(self._claude) :])
            if own:
                return own
        inside = self._inside(low)
        if inside and workspace != "/":
            own, _ = _longest(data.workspace, low[len(workspace) + 1 :])
            if own:
                return own
        if low == home:
            return "home-root"
        if (low != workspace or workspace == "/") and (exact := data.exact.get(low)):
            return exact
        below = home if home and low.startswith(home + "/") else ""
        if not below and (other := _OTHER_HOME.match(low)):
            below = other[1]
            if low in (below, below + "/") and low != workspace:
                return "home-root"
        relative = low[len(below) + 1 :] if below else ""
        if below:
            homely, length = _longest(data.home, relative)
            if homely and not (inside and len(workspace) > len(below) + length):
                return "dotfile" if homely == "credentials" and low.endswith(PUBLIC) else homely
        absolute, length = _longest(data.absolute, low)
        if inside:
            return absolute if length > len(workspace) and absolute != "temp" else named or "workspace"
        if named:
            return named
        if absolute:
            return absolute
        if below and below == home:
            return "dotfile" if relative[:1] == "." else "home"
        return "system" if below in ("/root", "/var/root") else "outside"


@cache
def _strictest_below(table: str) -> dict[str, str]:
    """For each folder that holds something of a table of places, the strictest of what it holds."""
    entries: dict[str, str] = getattr(load().places, table)
    out: dict[str, str] = {}
    for path, place in entries.items():
        folder = path
        while "/" in folder:
            folder = folder[: folder.rfind("/")]
            if folder and (folder not in out or _RANK[place] < _RANK[out[folder]]):
                out[folder] = place
    return out


def _plain(path: str) -> str:
    if not path:
        return ""
    if len(path) > 2 and path[1] == ":" and (match := _DRIVE.match(path)):
        path = f"/{match[1].lower()}/" + path[match.end() :].replace("\\", "/")
    return _normal(path) if path[:1] == "/" else _normal(os.path.abspath(path))


@lru_cache(maxsize=1024)
def _normal(path: str) -> str:
    path = os.path.normpath(path)
    return path[1:] if path[:2] == "//" else path


def _longest(table: dict[str, str], path: str) -> tuple[str, int]:
    """The value of the longest prefix of ``path`` (cut at slashes) in ``table``, and that prefix's length."""
    while path:
        found = table.get(path)
        if found is not None:
            return found, len(path)
        path = path[: path.rfind("/")] if "/" in path else ""
    return "", 0


def _matches(name: str, pattern: str) -> bool:
    """Whether a shell would match: part by part, and a leading star matches no leading dot."""
    names, patterns = name.split("/"), pattern.split("/")
    if "**" in pattern:
        return fnmatch.fnmatchcase(name, pattern)
    return len(names) == len(patterns) and all(
        fnmatch.fnmatchcase(n, p) and (n[:1] != "." or p[:1] == "." or p[:2] == "[.")
        for n, p in zip(names, patterns, strict=True)
    )


def _glob_candidates(folder: str, home: str, workspace: str, protected: tuple[str, ...]) -> list[str]:
    """Well-known sensitive paths that a pattern below ``folder`` might match."""
    places = load().places
    prefix = folder.rstrip("/") + "/"
    found = [path for path in (*_SENSITIVE_GLOB, *places.exact, *protected) if path.startswith(prefix)]
    if home:
        found += [f"{home}/{name}" for name in places.home if f"{home}/{name}".startswith(prefix)]
    if workspace and (workspace + "/").startswith(prefix):
        found += [
            f"{workspace}/{name}" for name in places.workspace if name[:1] == "." or places.workspace[name] == "guard"
        ]
    return found + [prefix + name for name in (".env", ".git/config", ".ssh/id_rsa", "id_rsa")]
