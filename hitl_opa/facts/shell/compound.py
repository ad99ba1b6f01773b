"""Branches, loops, cases, function definitions: every side is walked, loops once per known value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.frame import SILENT, UNREAD, Frame, Function, Stream
from hitl_opa.facts.shell.variables import environment
from hitl_opa.facts.shell.words import NOWHERE, Word, literal

if TYPE_CHECKING:
    from tree_sitter import Node

    from hitl_opa.facts.shell.interpret import Shell

MAX_ROUNDS = 16  # rounds of one loop
SKIP = frozenset(
    {
        "comment",
        ";",
        "&",
        ";;",
        "\n",
        "(",
        ")",
        "{",
        "}",
        "&&",
        "||",
        "|",
        "|&",
        "!",
        "variable_name",
        "heredoc_start",
        "heredoc_end",
        "do",
        "done",
        "then",
        "fi",
        "else",
        "elif",
        "if",
        "while",
        "until",
        "for",
        "in",
        "case",
        "esac",
        ";;&",
        ";&",
        "``",
        "`",
        "$(",
        "<(",
        ">(",
        "word",
        "((",
        "))",
        "function",
        "select",
    }
)


_FLAGS = frozenset({"true", "false"})  # run as commands, neither does anything


def branches(shell: Shell, node: Node, frame: Frame, stdin: Stream) -> Stream:
    before = dict(frame.variables)
    out = shell.body(node, frame, stdin)
    for name, word in frame.variables.items():
        old = before.get(name)
        if (
            old is not None
            and old != word
            and not (old.text == "" or word.text == "")
            and not {old.text, word.text} <= _FLAGS
        ):
            frame.variables[name] = Word(UNKNOWN, False, old.origin | word.origin)
    return Stream(None, out.origin)


def for_loop(shell: Shell, node: Node, frame: Frame, stdin: Stream) -> Stream:
    name = ""
    values: list[Word] = []
    body: Node | None = None
    listed = False
    for child in node.children:
        if child.type == "variable_name" and not name:
            name = literal(child)
        elif child.type == "in":
            listed = True
        elif child.type in ("do_group", "compound_statement"):
            body = child
        elif listed and child.type not in SKIP - {"word"}:
            values += shell.expander.words(child, frame)
    if not listed:
        values = frame.positional or [NOWHERE]
    origin = frozenset[str]().union(*(v.origin for v in values)) if values else frozenset[str]()
    if len(values) > MAX_ROUNDS:
        dangerous = [v for v in values if v.text[:1] in "/~." or v.glob][:MAX_ROUNDS]
        values = [*values[: MAX_ROUNDS // 2], *dangerous, Word(UNKNOWN, False, origin)]
    out = SILENT
    for value in values:
        frame.variables[name] = value
        if body is not None:
            out = out.plus(shell.statement(body, frame, stdin))
    return out


def case(shell: Shell, node: Node, frame: Frame, stdin: Stream) -> Stream:
    before = dict(frame.variables)
    for item in node.named_children:
        if item.type != "case_item":
            shell.nested(item, frame)
            continue
        inner_values = {id(c) for c in item.children_by_field_name("value")}
        for child in item.named_children:
            if id(child) not in inner_values and child.type not in (
                "word",
                "extglob_pattern",
                "string",
                "raw_string",
                "concatenation",
                "number",
                "comment",
                "simple_expansion",
                "regex",
                "expansion",
                "ansi_c_string",
            ):
                shell.statement(child, frame, stdin)
    for name, word in list(frame.variables.items()):
        if before.get(name) not in (None, word):
            frame.variables[name] = NOWHERE
    return UNREAD


def define(shell: Shell, node: Node, frame: Frame) -> Stream:
    name = node.child_by_field_name("name")
    body = node.child_by_field_name("body")
    if name is None or body is None:
        return SILENT
    title = literal(name)
    frame.functions[title] = Function(body, shell.source)
    if _calls_itself(body, title):
        shell.ledger.effect(
            "execute", "process", title, place="all", via=title, traits=("fork-bomb",), certain=frame.certain
        )
    return SILENT


def _calls_itself(body: Node, name: str) -> bool:
    """A pipeline or background job in which the function calls itself: a fork bomb."""
    text = literal(body)
    if name not in text or ("|" not in text and "&" not in text):
        return False
    stack, count, piped = [body], 0, False
    seen = 0
    while stack and seen < 2000:
        node = stack.pop()
        seen += 1
        if (
            node.type == "command"
            and (child := node.child_by_field_name("name")) is not None
            and literal(child) == name
        ):
            count += 1
        piped = piped or node.type in ("pipeline", "&")
        stack += node.children
    return count >= 1 and piped


def declare(shell: Shell, node: Node, frame: Frame) -> Stream:
    for child in node.named_children:
        if child.type == "variable_assignment":
            shell.assign(child, frame)
        elif child.type not in ("word", "variable_name"):
            shell.nested(child, frame)
    shows = all(child.type == "word" and literal(child)[:1] == "-" for child in node.named_children)
    return environment(frame) if shows else SILENT
