"""Redirects: files that a statement reads and writes, here-documents, and ``/dev/tcp``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.frame import UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import Word, literal

if TYPE_CHECKING:
    from tree_sitter import Node

    from hitl_opa.facts.shell.interpret import Shell

REDIRECTS = frozenset({"file_redirect", "heredoc_redirect", "herestring_redirect"})


class Redirects:
    """What one statement reads on stdin and which files it writes, and commands that follow a here-document."""

    __slots__ = ("appends", "arguments", "network", "outputs", "pipelines", "rest", "stdin")

    def __init__(self) -> None:
        self.stdin: Stream | None = None
        self.outputs: list[Word] = []
        self.appends = False
        self.network = ""
        self.rest: list[Node] = []
        self.pipelines: list[Node] = []
        self.arguments: list[Word] = []


def descriptor(node: Node) -> bool:
    """Whether a number is the descriptor of the redirect right behind it (``0<&2``): the grammar sees a word."""
    behind = node.next_sibling or (node.parent.next_sibling if node.parent is not None else None)
    return behind is not None and behind.type in REDIRECTS and behind.start_byte == node.end_byte


def redirect(shell: Shell, node: Node, frame: Frame, into: Redirects) -> None:
    if node.type == "herestring_redirect":
        words = [w for c in node.named_children for w in [shell.expander.word(c, frame)]]
        text = words[-1] if words else Word("")
        into.stdin = Stream(None if not text.known else text.text + "\n", text.origin)
    elif node.type == "heredoc_redirect":
        _heredoc(shell, node, frame, into)
    else:
        operator = next(
            (c.type for c in node.children if c.type in ("<", ">", ">>", "&>", "&>>", "<&", ">&", ">|", "<&-", ">&-")),
            "<>",
        )
        if any(c.type == "ERROR" for c in node.children):
            operator = "<>"
        targets = node.children_by_field_name("destination")
        for child in targets[:1]:
            _redirect_into(shell, operator, shell.expander.word(child, frame), frame, into)
        for child in targets[
            1:
        ]:  # the grammar takes words after a redirect into it; a number is the next one's descriptor
            if child.type != "number":
                into.arguments += shell.expander.words(child, frame)


def _redirect_into(shell: Shell, operator: str, target: Word, frame: Frame, into: Redirects) -> None:
    stream = redirect_to(shell, operator, target, frame)
    if target.text.startswith(("/dev/tcp/", "/dev/udp/")):
        into.network = target.text
        if operator == "<":
            into.stdin = Stream(None, frozenset({"remote"}))
    elif operator == "<":
        into.stdin = stream
    elif not target.text.isdigit() and target.text != "-" and operator != "<&":
        into.outputs.append(target)
        into.appends = into.appends or operator in (">>", "&>>")


def redirect_to(shell: Shell, operator: str, target: Word, frame: Frame) -> Stream:
    text = target.text
    if operator in (">&", "<&") and (text.rstrip("-").isdigit() or text in ("-", "")):
        return UNREAD
    if text.startswith(("/dev/tcp/", "/dev/udp/")):
        host = text.split("/")[3:4]
        shell.ledger.host(
            "send", host[0] if host else UNKNOWN, via="sh", traits=tuple(sorted({*frame.traits, "upload"}))
        )
        return UNREAD
    if operator == "<":
        return shell.read(target, frame, via="<")
    traits = ("append",) if operator in (">>", "&>>") else ("overwrite",) if operator != "<>" else ()
    shell.path("write", target, frame, via=operator, traits=traits)
    return UNREAD


def _heredoc(shell: Shell, node: Node, frame: Frame, into: Redirects) -> None:
    quoted, dash, body = False, False, ""
    origin = frozenset[str]()
    for child in node.children:
        kind = child.type
        if kind == "heredoc_start":
            quoted = any(c in literal(child) for c in "'\"\\")
        elif kind == "<<-":
            dash = True
        elif kind == "heredoc_body":
            if quoted or not child.named_child_count:
                body = literal(child)
            else:
                word = shell.expander.quoted(child, frame)
                body, origin = word.text, word.origin
        elif kind in REDIRECTS:
            redirect(shell, child, frame, into)
        elif kind == "pipeline":
            into.pipelines.append(child)
        elif kind in (
            "command",
            "list",
            "redirected_statement",
            "compound_statement",
            "subshell",
            "if_statement",
            "variable_assignment",
        ):
            into.rest.append(child)
        elif child.is_named and kind not in ("heredoc_end", "comment", "ERROR"):
            into.arguments += shell.expander.words(child, frame)
    if dash:
        body = "\n".join(line.lstrip("\t") for line in body.split("\n"))
    into.stdin = Stream(None if UNKNOWN in body and len(body) < 3 else body, origin)
