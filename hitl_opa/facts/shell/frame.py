"""What a shell knows at one point of a script, and what flows between commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hitl_opa.facts.shell.words import NO_ORIGIN, Word

if TYPE_CHECKING:
    from tree_sitter import Node


class Stream(NamedTuple):
    """Text on a pipe: ``text`` is None where it is not known, ``origin`` says what went into it."""

    text: str | None
    origin: frozenset[str] = NO_ORIGIN

    def plus(self, other: Stream) -> Stream:
        text = None if self.text is None or other.text is None else self.text + other.text
        return Stream(text, self.origin | other.origin)


SILENT = Stream("")
UNREAD = Stream(None)
MAX_STREAM = 65536


class Function(NamedTuple):
    """A shell function: its body, and the source that the body's offsets refer to."""

    body: Node
    source: bytes


class Frame:
    """Variables, functions, aliases, directory and what the commands here are wrapped in."""

    __slots__ = (
        "aliases",
        "calls",
        "certain",
        "cwd",
        "functions",
        "loaded",
        "network",
        "positional",
        "title",
        "traits",
        "variables",
        "wrappers",
    )

    def __init__(self, cwd: str) -> None:
        self.cwd = cwd
        self.variables: dict[str, Word] = {}
        self.functions: dict[str, Function] = {}
        self.aliases: dict[str, str] = {}
        self.positional: list[Word] | None = None
        self.title = "bash"  # $0
        self.wrappers: tuple[str, ...] = ()
        self.traits: tuple[str, ...] = ()
        self.certain = True
        self.loaded = NO_ORIGIN  # what a file of secrets, sourced here, made of the variables that nobody set
        self.network = ""  # descriptors here are bound to this /dev/tcp address
        self.calls: tuple[str, ...] = ()

    def copy(self) -> Frame:
        other = Frame(self.cwd)
        other.variables = dict(self.variables)
        other.functions = dict(self.functions)
        other.aliases = dict(self.aliases)
        other.positional, other.title = self.positional, self.title
        other.wrappers, other.traits, other.certain, other.calls = self.wrappers, self.traits, self.certain, self.calls
        other.network, other.loaded = self.network, self.loaded
        return other

    def within(self, wrapper: str, *traits: str, certain: bool = True) -> Frame:
        """A copy for what a wrapper runs."""
        other = self.copy()
        other.wrappers = (*self.wrappers, wrapper)
        other.traits = tuple(sorted({*self.traits, *traits}))
        other.certain = self.certain and certain
        return other
