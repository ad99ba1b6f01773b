"""What several calls have in common, narrow enough that a rule about it is not a guess."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

import msgspec

from hitl_opa.model import Document, Effect

MAX_VALUES = 8  # hosts, branches, tables …: more than that is no pattern but a list
CHANGES = ("write", "delete", "execute", "configure")
_LOCAL = ("path", "code", "process", "system")  # types whose targets are told by place and directory, not by value


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """A tool, the programs, the kinds of effect with their traits, the targets elsewhere, and the directory
    (of the workspace, with a slash at its end; ``""`` for all of it) in which things are changed."""

    tool: str
    programs: tuple[str, ...]
    shapes: tuple[tuple[str, str, str], ...]
    traits: tuple[str, ...]
    values: tuple[str, ...]
    folder: str

    @classmethod
    def of(cls, documents: Sequence[Document]) -> Pattern | None:
        """What these calls have in common; None where that would be too much to allow or deny by one rule."""
        if any(d.facts.opaque or d.context.taint.untrusted or d.context.taint.secrets for d in documents):
            return None
        effects = [e for d in documents for e in d.facts.effects]
        changed = [relative(e, d) for d in documents for e in d.facts.effects if _changes(e)]
        values = {e.target.value for e in effects if e.target.type not in _LOCAL}
        tools = {d.call.tool for d in documents}
        if not effects or len(tools) != 1 or len(values) > MAX_VALUES or "" in values or None in changed:
            return None
        return cls(
            tool=tools.pop(),
            programs=tuple(sorted({c.program for d in documents for c in d.facts.commands})),
            shapes=tuple(sorted({shape(e) for e in effects})),
            traits=tuple(sorted({t for e in effects for t in e.traits})),
            values=tuple(sorted(values)),
            folder=_common([name for name in changed if name]),
        )


def shape(effect: Effect) -> tuple[str, str, str]:
    """Verb, type and place of an effect."""
    return str(effect.verb), effect.target.type, effect.target.place


def key(document: Document) -> tuple[object, ...]:
    """What calls must share to be looked at together."""
    facts = document.facts
    programs = frozenset(c.program for c in facts.commands)
    return document.call.tool, programs, frozenset(shape(e) for e in facts.effects)


def relative(effect: Effect, document: Document) -> str | None:
    """The changed path below the workspace; None outside it."""
    prefix = document.context.workspace.rstrip("/") + "/"
    real = effect.target.real
    return real.removeprefix(prefix) if effect.target.inside and real.startswith(prefix) else None


def _changes(effect: Effect) -> bool:
    return effect.verb in CHANGES and effect.target.type == "path"


def _common(names: Sequence[str]) -> str:
    folders = {posixpath.dirname(name) for name in names}
    found = posixpath.commonpath(folders) if folders and "" not in folders else ""
    return f"{found}/" if found else ""
