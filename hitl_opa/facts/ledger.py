"""Where the facts of one call are collected: effects and the material they were read from."""

from __future__ import annotations

import re
import shlex

import msgspec

from hitl_opa.facts.addresses import Addresses
from hitl_opa.facts.paths import UNKNOWN, Paths
from hitl_opa.facts.urls import place_of, read_url
from hitl_opa.model import Command, DiffFact, Effect, Facts, Opaque, PathFact, SqlFact, Target, UrlFact, Verb

MAX_EFFECTS = 512
MAX_TEXT = 300  # characters of a quoted piece
_ACCESS = {"read": "read", "write": "write", "delete": "delete", "execute": "execute"}
_HASHES = (
    "shadow",
    "gshadow",
    "master.passwd",
    "opasswd",
    "password",
    "krb5.keytab",
    "ssh_host_",
    "dslocal",
)  # files of /etc that hold secrets
_FETCHED = re.compile(
    r"(?i)(?:[\w.\[\]-]+\s*@\s*)?(?:(?:git|hg|svn|bzr)\+)?(?:https?|ftp|ssh|git)://|(?:github|gitlab|bitbucket|gist):\S+/"
)
_CONTROLS = frozenset({2375, 2376, 6443, 8001, 10250, 2379, 8500, 8200, 4646})  # Docker, Kubernetes, etcd, Consul …
_WHOLE = frozenset({"home-root", "root", "system"})
_UNPLACED = frozenset({"database", "secret", "person", "agent"})
_EMPTY: tuple[str, ...] = ()


class Ledger:
    """Collects; equal effects count once; past ``MAX_EFFECTS`` the call is opaque ``too-large``."""

    def __init__(
        self, paths: Paths, *, pinned: frozenset[str], protected_branches: tuple[str, ...], own: Addresses
    ) -> None:
        self.paths = paths
        self.pinned = pinned
        self.protected_branches = protected_branches
        self._effects: dict[tuple[str, str, str, str, str, bool, tuple[str, ...]], Effect] = {}
        self._opaque: dict[tuple[str, str], Opaque] = {}
        self._paths: dict[tuple[str, str], PathFact] = {}
        self._urls: dict[str, UrlFact] = {}
        self._own = own
        self._texts: list[str] = []
        self.commands: list[Command] = []
        self.sql: list[SqlFact] = []
        self.diff = DiffFact()

    def effect(
        self,
        verb: str,
        type: str,
        value: str = "",
        *,
        place: str = "",
        real: str = "",
        inside: bool = False,
        via: str = "",
        traits: tuple[str, ...] = _EMPTY,
        certain: bool = True,
    ) -> None:
        if not place and type in _UNPLACED:
            place = "unknown"
        if place in ("workspace", "package") and type == "code" and _FETCHED.match(value):
            place, real, inside = "remote", "", False  # named by where it is fetched from
        if len(value) > MAX_TEXT * 4:
            value = value[: MAX_TEXT * 4]
        key = (verb, type, value, real, place, certain, traits)
        if key in self._effects:
            return
        if len(self._effects) >= MAX_EFFECTS:
            self.opaque("too-large", "more effects than are listed", via)
            return
        target = Target(
            type=type,
            value=value.replace(UNKNOWN, "?") if UNKNOWN in value else value,
            real=real,
            place=place,
            inside=inside,
        )
        self._effects[key] = Effect(
            verb=Verb(verb), target=target, via=via, certain=certain, traits=sorted(set(traits))
        )

    def path(
        self,
        verb: str,
        text: str,
        cwd: str,
        *,
        via: str = "",
        traits: tuple[str, ...] = _EMPTY,
        glob: bool = False,
        certain: bool = True,
    ) -> str:
        """An effect on a path; returns its place."""
        if len(self._effects) >= MAX_EFFECTS:
            self.opaque("too-large", "more effects than are listed", via)
            return "unknown"
        at = self.paths.locate(text, cwd, glob=glob)
        if at.kept and verb in ("read", "send"):
            at = at._replace(place=at.kept)
        name = at.real.rpartition("/")[2].casefold()
        if verb == "read" and at.place == "system-auth" and name.startswith(_HASHES):
            traits = (*traits, "secret")
        if verb == "read" and at.place == "proc" and name in ("environ", "mem"):
            traits = (*traits, "secret")  # the variables of a process, and all it holds
        if self.paths.is_plan(at.real):
            traits = (*traits, "plan")
        if verb == "delete" or "recursive" in traits:
            place = self.paths.below(at) if verb in ("delete", "write", "configure") else at.place
            if place != at.place:
                at = at._replace(place=place)
        if verb != "read" and at.place == "git-internals" and not at.inside and at.real.endswith("/.git"):
            tree = self.paths.locate(at.real.removesuffix("/.git"), cwd).place
            at = at._replace(place=tree) if tree in _WHOLE else at  # a repository of everything that one has
        if verb == "delete" and "recursive" in traits and "bulk" in traits:
            traits = (*traits, "all", "irreversible")  # whole trees that nobody named one by one
        if glob and verb != "read" and "bulk" not in traits:
            traits = (*traits, "bulk")
        self.effect(
            verb,
            "path",
            text,
            place=at.place,
            real=at.real,
            inside=at.inside,
            via=via,
            traits=traits,
            certain=certain and at.certain,
        )
        access = _ACCESS.get(verb, "write")
        shown = text.replace(UNKNOWN, "?")[: MAX_TEXT * 4]
        self._paths.setdefault(
            (at.real or shown, access),
            PathFact(value=shown, real=at.real, access=access, place=at.place, inside=at.inside),
        )
        return at.place

    def url(
        self, verb: str, text: str, *, via: str = "", traits: tuple[str, ...] = _EMPTY, certain: bool = True
    ) -> str:
        """An effect on the host that ``text`` (a URL, ``host:port`` or host) names; returns its place."""
        if text.lstrip()[:5].lower() == "file:":
            return self.path("read", text.strip(), self.paths.cwd, via=via, traits=traits, certain=certain)
        fact = self._urls.get(text)
        if fact is None:
            fact = read_url(text[: MAX_TEXT * 8], self.pinned)
            if self._own.holds(fact.host, fact.port):
                fact = msgspec.structs.replace(fact, place="guard")
            if len(self._urls) < MAX_EFFECTS:
                self._urls[text] = fact
        if verb == "send" and fact.place == "loopback" and fact.port in _CONTROLS:
            self.effect("configure", "remote", text, place="cluster", via=via, traits=traits, certain=certain)
        self.effect(
            verb,
            "host",
            fact.host,
            place=fact.place,
            via=via,
            traits=traits,
            certain=certain and fact.place != "unknown",
        )
        return fact.place

    def host(self, verb: str, host: str, *, via: str = "", traits: tuple[str, ...] = _EMPTY) -> str:
        place = place_of(host.lower(), self.pinned)
        self.effect(verb, "host", host, place=place, via=via, traits=traits, certain=place != "unknown")
        return place

    def opaque(self, kind: str, text: str = "", via: str = "") -> None:
        text = text.replace(UNKNOWN, "?")[:MAX_TEXT]
        if len(self._opaque) < MAX_EFFECTS:
            self._opaque.setdefault((kind, text), Opaque(kind=kind, text=text, via=via))

    def text(self, text: str) -> None:
        """Code that is run, or a command, in which the guard's own addresses may be named."""
        if self._own:
            self._texts.append(text)

    def _reached(self) -> None:
        """Effects on the guard's addresses that the texts name, but for what a URL has said already.

        A call that only reads and writes files talks about an address and reaches none.
        """
        elsewhere = any(effect.target.type != "path" for effect in self._effects.values())
        queries = {e.verb for e in self._effects.values() if e.target.type == "database"} == {Verb.QUERY}
        urls = [url for url, fact in self._urls.items() if fact.place == "guard"]
        for text in self._texts:
            for named in self._own.named(_without(text, urls)):
                database = named.type == "database"
                if elsewhere or self._opaque or (database and named.certain and not self._effects):
                    verb = "send" if not database else "query" if queries else "execute"
                    self.effect(verb, named.type, named.value, place="guard", certain=named.certain)

    def command(self, program: str, args: list[str], wrappers: tuple[str, ...]) -> None:
        if self._own:
            self._texts.append(shlex.join([program, *args]))
        if len(self.commands) < MAX_EFFECTS:
            shown = [a.replace(UNKNOWN, "?")[:MAX_TEXT] for a in args[:MAX_EFFECTS]]
            self.commands.append(Command(program=program, args=shown, wrappers=list(wrappers)))

    def facts(self) -> Facts:
        if self._texts:
            self._reached()
        return Facts(
            effects=list(self._effects.values()),
            opaque=list(self._opaque.values()),
            commands=self.commands,
            paths=list(self._paths.values()),
            urls=list(self._urls.values()),
            sql=self.sql,
            diff=self.diff,
        )


def _without(text: str, pieces: list[str]) -> str:
    for piece in pieces:
        text = text.replace(piece, " ")
    return text
