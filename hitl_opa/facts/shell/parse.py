"""Bash text to a syntax tree. The only module that imports tree_sitter."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser


@cache
def _parser() -> Parser:
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def parse(source: bytes) -> Node:
    """The root node; ``has_error`` on it says that some of the text was not understood."""
    return _parser().parse(source).root_node
