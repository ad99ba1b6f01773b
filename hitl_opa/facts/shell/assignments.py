"""Assignments of the shell: texts, arrays, and what is added to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hitl_opa.facts.shell.frame import MAX_STREAM, Frame
from hitl_opa.facts.shell.words import NOWHERE, Word, literal

if TYPE_CHECKING:
    from tree_sitter import Node

    from hitl_opa.facts.shell.interpret import Shell

_KEYED = re.compile(r"\[(\d+)\]=(.*)\Z", re.DOTALL)  # an element of an array with its index


def assignment(shell: Shell, node: Node, frame: Frame) -> tuple[str, Word]:
    """Name and value of ``name=value``; the elements of an array are set one by one."""
    name_node, value_node = node.child_by_field_name("name"), node.child_by_field_name("value")
    name = literal(name_node) if name_node is not None else ""
    if name_node is not None and name_node.type == "subscript":
        shell.nested(name_node, frame)
    value = shell.expander.word(value_node, frame) if value_node is not None else Word("")
    if value_node is not None and value_node.type == "array":
        first = [w for c in value_node.named_children for w in shell.expander.words(c, frame)]
        for i, word in enumerate(first[:256]):
            keyed = _KEYED.match(word.text)
            at, element = (keyed[1], word._replace(text=keyed[2])) if keyed else (str(i), word)
            frame.variables[f"{name}[{at}]"] = element
        value = Word(" ".join(w.text for w in first), any(w.glob for w in first), value.origin)
    if any(c.type == "+=" for c in node.children):
        old = shell.variable(name, frame)
        value = Word(
            old.text + (" " if value_node is not None and value_node.type == "array" else "") + value.text,
            old.glob or value.glob,
            old.origin | value.origin,
        )
    if len(value.text) > MAX_STREAM:
        value = NOWHERE
    return name, value
