"""Where the guard itself is reached: its server, its socket, its database.

A URL is compared after undoing what hides its host. What names an address in other ways (``nc HOST PORT``, the
text of a program, a connection string) is found in the text, and is not certain: it may only talk about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from hitl_opa.facts.urls import place_of

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "postgres": 5432}
_LOOPBACK = r"(?:localhost|127\.[\d.]+|0\.0\.0\.0|\[?::1\]?|(?<![\w.\])])(?=:))"
_BETWEEN = r"[\s:,/'\")\]}]{1,8}"
_CLIENT = r"\A(?:psql|pgcli|usql|pgbench|pg_\w+|(?:create|drop|vacuum|reindex|cluster)db)\b[^|;&\n'\"]*?[\s=/]['\"]?"
_SETTING = r"\b(?:dbname|database)['\"]?\s*[=:]\s*['\"]?|\bPGDATABASE=['\"]?|\bpostgres(?:ql)?(?:\+\w+)?://[^\s'\"/]*/"
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - to recognise it


class Named(NamedTuple):
    """An address of the guard that a text names: ``type`` of target (host, database), and whether it is sure."""

    type: str
    value: str
    certain: bool


class Addresses:
    """The guard's own, from ``http://HOST:PORT``, ``unix:PATH`` and ``postgresql://HOST:PORT/NAME``."""

    def __init__(self, urls: Iterable[str] = ()) -> None:
        self._hosts: set[tuple[str, int]] = set()
        self._patterns: list[tuple[Named, re.Pattern[str]]] = []
        for url in urls:
            kind, _, rest = url.partition(":")
            if kind == "unix":
                name = rest.rpartition("/")[2]
                self._pattern(Named("host", name, False), rf"(?<![\w.-]){re.escape(name)}(?![\w.-])")
            elif kind in ("postgresql", "postgres"):
                self._database(url)
            else:
                parts = urlsplit(url)
                self._server(parts.hostname or "", parts.port or _PORTS.get(kind, 0), kind)

    def holds(self, host: str, port: int) -> bool:
        """Whether a URL with this host and port leads to the guard."""
        if not self._hosts or not host:
            return False
        place = place_of(host)
        for own, number in self._hosts:
            if place_of(own) != "loopback":
                if host == own and port in (number, 0):
                    return True
            elif port == number and (place == "loopback" or (own in _EVERYWHERE and place == "private")):
                return True
        return False

    def named(self, text: str) -> list[Named]:
        """The addresses that ``text`` names."""
        return [named for named, pattern in self._patterns if pattern.search(text)]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def _server(self, host: str, port: int, kind: str) -> None:
        self._hosts.add((host, port))
        shown = f"{host}:{port}"
        if place_of(host) == "loopback":
            pattern = rf"{_LOOPBACK}{_BETWEEN}{port}(?!\d)"
        else:
            plain = "" if port == _PORTS.get(kind) else rf"{_BETWEEN}{port}(?!\d)"
            pattern = rf"(?<![\w.-]){re.escape(host)}(?![\w-]){plain}"
        self._pattern(Named("host", shown, False), pattern)

    def _database(self, url: str) -> None:
        parts = urlsplit(url)
        name = unquote(parts.path.lstrip("/")) or unquote(parts.username or "")
        if name:
            named = Named("database", name, True)
            self._pattern(named, rf"(?:{_CLIENT}|{_SETTING}){re.escape(name)}(?![\w-])")
        for at in parts.netloc.rpartition("@")[2].split(","):
            host = at.rpartition(":")[0] or at
            if host and place_of(host) != "loopback":
                pattern = rf"(?<![\w.-]){re.escape(host)}(?![\w-])"
                self._pattern(Named("database", f"{host}/{name}", False), pattern)

    def _pattern(self, named: Named, pattern: str) -> None:
        self._patterns.append((named, re.compile(pattern, re.IGNORECASE)))


@cache
def addresses(urls: tuple[str, ...]) -> Addresses:
    """The same ones for every call of an installation."""
    return Addresses(urls)
