"""Bash text to a syntax tree. The only module that imports tree_sitter."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language, Node


@cache
def _language() -> Language:
    import tree_sitter_bash
    from tree_sitter import Language

    return Language(tree_sitter_bash.language())


def parse(source: bytes) -> Node:
    """The root node; ``has_error`` on it says that some of the text was not understood.

    Each text has a parser of its own: a parser is not safe to share between threads, and the state that
    the grammar's scanner keeps from hostile text must not reach the next one.
    """
    from tree_sitter import Parser

    return Parser(_language()).parse(source).root_node


_WORDS = frozenset(
    {
        "command_name",
        "word",
        "string",
        "raw_string",
        "ansi_c_string",
        "concatenation",
        "number",
        "expansion",
        "simple_expansion",
        "command_substitution",
        "process_substitution",
    }
)
_ESCAPED = re.compile(rb"(?:\\[^\n])+")


def adjacent(source: bytes, first: Node, second: Node) -> bool:
    """Whether two nodes are one word to the shell: nothing stands between them, or only escaped characters,
    which the grammar takes for white space (``'a'\\ b``)."""
    start, end = first.end_byte, second.start_byte
    if start != end and source[start : start + 1] != b"\\":
        return False
    if first.type not in _WORDS or second.type not in _WORDS:
        return False
    return start == end or _ESCAPED.fullmatch(source, start, end) is not None


def error_text(root: Node) -> str:
    stack, seen = [root], 0
    while stack and seen < 500:
        node = stack.pop()
        seen += 1
        if node.type == "ERROR" or node.is_missing:
            return (node.text or b"").decode("utf-8", "replace")
        stack += [c for c in reversed(node.children) if c.has_error or c.is_missing]
    return ""
