"""Bash text to a syntax tree. The only module that imports tree_sitter."""

from __future__ import annotations

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
