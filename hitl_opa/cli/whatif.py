"""The same call, one thing different: what would change its verdict, and which rules nearly fired.

Works on the input document by asking the engine again, so it says what policy does and not what
somebody thinks it does.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from hitl_opa.facts.vocabulary import PLACES, TRAITS
from hitl_opa.model import Decision, Document, Engine, PermissionMode, Reason, Verdict

MAX_VARIATIONS = 400
_decoder = msgspec.json.Decoder(Decision)


class Variation(msgspec.Struct, frozen=True, kw_only=True):
    """What was different, and what policy says then."""

    what: str
    decision: Decision


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that did not fire, and the single differences that make it fire."""

    reason: Reason
    if_: list[str] = msgspec.field(name="if")


class WhatIf:
    """Variations of one document, decided by ``engine``. Raises EngineError where the engine fails."""

    def __init__(self, engine: Engine, document: Document) -> None:
        self._engine = engine
        self._document: dict[str, Any] = msgspec.to_builtins(document)

    def decide(self, change: Callable[[dict[str, Any]], None] | None = None) -> Decision:
        document = copy.deepcopy(self._document)
        if change is not None:
            change(document)
        return _decoder.decode(self._engine.evaluate_sync(msgspec.json.encode(document)))

    def levels(self) -> list[Variation]:
        """At each autonomy level."""
        return [self._at(f"level {level}", _set("agent", "level", level)) for level in (1, 2, 3, 4)]

    def modes(self) -> list[Variation]:
        """In each permission mode, and with nobody to ask."""
        found = [self._at(f"mode {mode}", _set("agent", "mode", mode.value)) for mode in PermissionMode]
        return [*found, self._at("nobody to ask", _set("agent", "unattended", True))]

    def confidence(self) -> list[Variation]:
        """With an agent that is sure, and one that is not."""
        return [self._at(f"confidence {value:g}", _confident(value)) for value in (0.95, 0.8, 0.6, 0.3)]

    def without(self) -> list[Variation]:
        """Without each effect and without each thing that could not be understood."""
        found = []
        for name in ("effects", "opaque"):
            for at, item in enumerate(self._document["facts"][name]):
                found.append(self._at(f"without: {_named(name, item)}", _drop(name, at)))
        return found

    def near(self) -> list[Near]:
        """Rules that one different fact would have made fire, asks and denies only; likeliest first."""
        fired = {reason.rule for reason in self.decide().reasons}
        reasons: dict[str, Reason] = {}
        causes: dict[str, list[str]] = {}
        for number, (what, change) in enumerate(self._differences()):
            if number >= MAX_VARIATIONS:
                break
            for reason in self.decide(change).reasons:
                if reason.verdict is not Verdict.ALLOW and reason.rule not in fired:
                    reasons.setdefault(reason.rule, reason)
                    causes.setdefault(reason.rule, []).append(what)
        found = [Near(reason=reason, if_=causes[rule]) for rule, reason in reasons.items()]
        return sorted(found, key=lambda near: (near.reason.pack != "custom", -len(near.if_), near.reason.rule))

    def _at(self, what: str, change: Callable[[dict[str, Any]], None]) -> Variation:
        return Variation(what=what, decision=self.decide(change))

    def _differences(self) -> Iterator[tuple[str, Callable[[dict[str, Any]], None]]]:
        """Each effect somewhere else or with one trait more, and a session with a past."""
        yield (
            "the session had read content from outside",
            _tainted("untrusted"),
        )
        yield "the session had read secrets", _tainted("secrets")
        yield "five calls in a row had been denied", _counted("consecutive_denied", 5)
        yield "the same call had been made five times", _counted("repeats", 5)
        effects = self._document["facts"]["effects"]
        for at, effect in enumerate(effects):
            name = effect["target"]["value"] or f"a {effect['target']['type']}"
            for trait in sorted(TRAITS - set(effect["traits"])):
                yield f"{effect['verb']} {name} had the trait {trait}", _trait(at, trait)
            for place in sorted(PLACES.get(effect["target"]["type"], frozenset()) - {effect["target"]["place"]}):
                yield f"the place of {name} were {place}", _place(at, place)


def _named(name: str, item: dict[str, Any]) -> str:
    if name == "opaque":
        return f"{item['kind']} {item['text']}".strip()
    return f"{item['verb']} {item['target']['value'] or item['target']['type']}"


def _set(part: str, name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document[part].update({name: value})


def _confident(value: float) -> Callable[[dict[str, Any]], None]:
    return _set("agent", "confidence", {"known": True, "value": value, "verified": True})


def _counted(name: str, value: int) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["context"]["counters"].update({name: value})


def _tainted(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["context"]["taint"].update({name: True})


def _drop(name: str, at: int) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["facts"][name].pop(at)


def _trait(at: int, trait: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        traits = document["facts"]["effects"][at]["traits"]
        traits[:] = sorted([*traits, trait])

    return change


def _place(at: int, place: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        target = document["facts"]["effects"][at]["target"]
        target.update(place=place, inside=target["inside"] and place in {"workspace", "env-file", "ci", "git-hooks"})

    return change
