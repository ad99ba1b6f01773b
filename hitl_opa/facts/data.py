"""The shipped knowledge of programs, places, tools and names, decoded when first used.

It is written as YAML (``programs/*.yaml``, ``places.yaml``, ``tools.yaml``, ``names.yaml``), compiled by
``python -m hitl_opa.facts.generate`` into ``programs.json`` and read from there, because parsing
YAML costs more than everything else a first decision does. A program's entry stays undecoded JSON
until a call names the program, so the number of programs costs nothing at decision time.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import msgspec


class Act(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing that a program does with a word (or without one).

    ``kind``:
    ``path``    verb on the path that the word names; without a word on ``place``, or the current directory
    ``effect``  verb on a target of ``type`` and ``place`` whose value is the word
    ``url``     the word is a URL or host; verb is what happens with it
    ``trait``   only adds ``traits`` to the other effects of the call
    ``none``    the word means nothing to us
    ``inform``  the whole call only reports: nothing else of it has an effect
    ``alone``   what follows counts only where the call names nothing else
    ``maybe``   the word is an operand where the call has no other
    ``operands``  from now on operands have the path role ``verb`` instead of their own
    ``run``     the word is code: ``type`` says how (``argv``, ``shell``, ``script``, ``code``, ``sql``, ``sqlfile``,
                ``opaque``), ``place`` in which language or as which opaque kind
    ``drop``    removes effects of verb (``""``: any) that the program otherwise has
    """

    kind: str
    verb: str = ""
    type: str = ""
    place: str = ""
    traits: tuple[str, ...] = ()


Acts = tuple[Act, ...]


class Program(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What one program (or subcommand) does; the fields are those of ``programs/README.md``."""

    does: Acts = ()
    operands: tuple[Acts, ...] = ()
    last: Acts = ()
    bare: Acts = ()
    options: dict[str, Acts] = {}
    flags: dict[str, Acts] = {}
    subs: dict[str, Program] = {}
    verbs: str = ""
    otherwise: Acts = ()
    style: str = ""
    special: str = ""


class Places(msgspec.Struct, frozen=True):
    """Where things lie; ``globs`` are pairs of a name pattern and a place, a place of ``""`` takes the name back."""

    absolute: dict[str, str]
    exact: dict[str, str]
    home: dict[str, str]
    workspace: dict[str, str]
    anywhere: dict[str, str]
    names: dict[str, str]
    globs: list[tuple[str, str]]
    bin_dirs: frozenset[str]
    home_bin_dirs: frozenset[str]
    workspace_bin_dirs: frozenset[str]
    variables: dict[str, str]
    hosts: dict[str, str]
    suffixes: list[tuple[str, str]]


class Tool(msgspec.Struct, frozen=True):
    """A built-in tool: kind, acts without a field, acts on each input field; ``need``: fields it must have."""

    kind: str
    does: Acts = ()
    fields: dict[str, Acts] = {}
    need: tuple[str, ...] = ()
    bare: Acts = ()


class Names(msgspec.Struct, frozen=True):
    """Words in names of tools and subcommands, and what class of action each stands for."""

    verbs: dict[str, str]
    objects: dict[str, str]
    fields: dict[str, str]
    groups: dict[str, frozenset[str]]


class SecretPattern(msgspec.Struct, frozen=True):
    """A kind of secret, a regular expression for it, and a literal that every match contains (a cheap first test)."""

    kind: str
    pattern: str
    hint: str = ""


class Data(msgspec.Struct, frozen=True):
    """All of ``programs.json``; ``programs`` maps a name to undecoded JSON, or to a JSON string naming its alias."""

    programs: dict[str, msgspec.Raw]
    places: Places
    tools: dict[str, Tool]
    names: Names
    secrets: list[SecretPattern]


@cache
def load() -> Data:
    """The shipped data; it is part of the package, so a missing or broken file is a broken installation."""
    return msgspec.json.decode(Path(__file__).with_name("programs.json").read_bytes(), type=Data)


@lru_cache(maxsize=4096)
def program(name: str) -> Program | None:
    """The entry of a program, or None."""
    raw = load().programs.get(name)
    if raw is None:
        return None
    if bytes(raw)[:1] == b'"':
        return program(msgspec.json.decode(raw, type=str))
    return msgspec.json.decode(raw, type=Program)
