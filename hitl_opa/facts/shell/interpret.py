"""A walk over the syntax tree that follows what a shell would do, without doing it.

Both sides of every branch are walked, loops once per known value. What the grammar could not parse
is opaque ``parse-error``, and the text is read a second time by a tolerant splitter so that no
command in it is lost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hitl_opa.facts.data import load
from hitl_opa.facts.shell import code, compound
from hitl_opa.facts.shell.assignments import assignment
from hitl_opa.facts.shell.compound import SKIP
from hitl_opa.facts.shell.frame import SILENT, UNREAD, Frame, Function, Stream
from hitl_opa.facts.shell.parse import adjacent, error_text, parse
from hitl_opa.facts.shell.redirects import REDIRECTS, Redirects, descriptor, redirect, redirect_to
from hitl_opa.facts.shell.variables import watched
from hitl_opa.facts.shell.words import NOWHERE, Expander, Word, literal
from hitl_opa.facts.shell.world import World

if TYPE_CHECKING:
    from tree_sitter import Node

    from hitl_opa.facts.ledger import Ledger

# No shell has these: settings of PowerShell, its call operator at the beginning, scripts named with backslashes.
_POWERSHELL = re.compile(
    r"\s*\$(?:(?:ErrorAction|Progress|Verbose|Warning)Preference|ErrorView)\s*=\s"
    r"|\s*&\s+[\"'($\w.]|(?:[ \t]*\.\\[\w\\./:=, -]+(?:\n|\Z))+\Z"
)
_CONTINUED = re.compile(r"\s*-[^\n`]*\s`\s*\Z")  # a line of options, cut out of PowerShell: no shell runs it
MAX_SCRIPT = 131_072  # bytes of one script
MAX_NODES = 64  # nesting of the tree
MAX_SCRIPTS = 12  # scripts within scripts
MAX_COMMANDS = 2_000


class Shell(World):
    """Interprets the scripts of one call into its ledger."""

    def __init__(self, ledger: Ledger, home: str) -> None:
        from hitl_opa.facts.shell.run import Runner

        super().__init__(ledger, home)
        self.commands = 0
        self.scripts = 0
        self.expander = Expander(self)
        self.runner = Runner(self)
        self.source = b""
        self._depth = 0
        self._substitutions = 0
        self.called: set[str] = set()

    def slice(self, start: int, end: int) -> str:
        return self.source[start:end].decode("utf-8", "replace")

    def script(self, text: str, frame: Frame, stdin: Stream = UNREAD, *, via: str = "") -> Stream:
        """Everything that a script does. Returns what it prints."""
        source = text.encode("utf-8", "replace")
        if b"\0" in source:
            self.ledger.opaque("parse-error", "a part that is not known, or a NUL byte", via)
            source = source.replace(b"\0", b"")
        if len(source) > MAX_SCRIPT:
            self.ledger.opaque("too-large", f"a script of {len(source)} bytes", via)
            return UNREAD
        if self.scripts >= MAX_SCRIPTS or self._depth > MAX_NODES:
            self.ledger.opaque("too-large", "scripts nested too deeply", via)
            return UNREAD
        self.ledger.text(text)
        head = text.lstrip()[:1]
        if head in "$&." and _POWERSHELL.match(text):
            from hitl_opa.facts.code.powershell import read_powershell

            return read_powershell(self, frame, Word(text), via or "powershell")
        if head == "-" and _CONTINUED.match(text):
            return SILENT
        kept, self.source = self.source, source
        self.scripts += 1
        try:
            root = parse(source)
            if root.has_error and b"$^" in source:  # no expansion, though the grammar expects one
                mended = source.replace(b"$^", b"\\$^")
                again = parse(mended)
                if not again.has_error:
                    root, self.source = again, mended
            if root.has_error:
                self._broken(root, text, frame, via)
            out = self.body(root, frame, stdin)
            while self.traps and self.scripts == 1:
                code.shell_text(self, frame.copy(), self.traps.pop(), UNREAD, "trap")
            if frame.functions and self.scripts == 1:
                self._uncalled(frame)
            if self.scripts == 1 and "loaded" in out.origin:
                self.ledger.effect("read", "secret", "what was sourced, printed", via="source", traits=frame.traits)
            return out
        finally:
            self.scripts -= 1
            self.source = kept

    def _uncalled(self, frame: Frame) -> None:
        """Functions that nothing called may still be: by a trap, a hook, a later command."""
        for name, function in list(frame.functions.items()):
            if name not in self.called:
                scratch = frame.copy()
                scratch.certain = False
                scratch.positional = None
                self.call(function, name, [], scratch, UNREAD)

    def _broken(self, root: Node, text: str, frame: Frame, via: str) -> None:
        from hitl_opa.facts.shell.salvage import commands

        found, complete = commands(text)
        if not complete:
            self.ledger.opaque("parse-error", error_text(root) or text, via)
        for argv, targets in found:
            scratch = frame.copy()
            for operator, target in targets:
                redirect_to(self, operator, target, scratch)
            if argv:
                self.runner.run(list(argv), scratch, UNREAD)

    def body(self, node: Node, frame: Frame, stdin: Stream) -> Stream:
        out = SILENT
        for child in node.children:
            if child.type not in SKIP:
                out = out.plus(self.statement(child, frame, stdin))
        return out

    def statement(self, node: Node, frame: Frame, stdin: Stream, redirects: Redirects | None = None) -> Stream:
        """One statement of any type; an unknown type is walked for the statements in it."""
        if self._depth > MAX_NODES or self.commands > MAX_COMMANDS:
            self.ledger.opaque("too-large", "more nesting or commands than are followed")
            return UNREAD
        self._depth += 1
        try:
            return self._statement(node, frame, stdin, redirects)
        finally:
            self._depth -= 1

    def _statement(self, node: Node, frame: Frame, stdin: Stream, redirects: Redirects | None) -> Stream:
        kind = node.type
        if kind == "command":
            return self._command(node, frame, stdin, redirects)
        if kind == "list":
            return self._list(node, frame, stdin, redirects)
        if kind == "pipeline":
            return self._pipeline(node, frame, stdin, redirects)
        if kind == "redirected_statement":
            return self._redirected(node, frame, stdin, redirects)
        if kind in ("variable_assignment", "variable_assignments"):
            for child in [node] if kind == "variable_assignment" else node.named_children:
                if child.type == "variable_assignment":
                    self.assign(child, frame)
            return SILENT
        if kind == "ERROR":
            for child in node.children:
                if child.type in (
                    "command",
                    "list",
                    "pipeline",
                    "redirected_statement",
                    "subshell",
                    "compound_statement",
                    "command_substitution",
                ):
                    self.statement(child, frame, stdin)
            return UNREAD
        if redirects is not None and redirects.stdin is not None:
            stdin = redirects.stdin
        out = self._compound(kind, node, frame, stdin)
        if redirects is not None:
            out = self._finish(redirects, frame, out)
        return out

    def _compound(self, kind: str, node: Node, frame: Frame, stdin: Stream) -> Stream:
        if kind == "subshell":
            return self.body(node, frame.copy(), stdin)
        if kind in ("compound_statement", "do_group", "program"):
            return self.body(node, frame, stdin)
        if kind == "negated_command":
            return self.body(node, frame, stdin)
        if kind in {"if_statement", "while_statement"}:
            return compound.branches(self, node, frame, stdin)
        if kind == "for_statement":
            return compound.for_loop(self, node, frame, stdin)
        if kind == "case_statement":
            return compound.case(self, node, frame, stdin)
        if kind == "function_definition":
            return compound.define(self, node, frame)
        if kind == "declaration_command":
            return compound.declare(self, node, frame)
        if kind == "test_command":
            self.nested(node, frame)
            return SILENT
        if kind == "unset_command":
            for child in node.named_children:
                frame.variables.pop(literal(child), None)
                frame.functions.pop(literal(child), None)
                if literal(child) == "HISTFILE":
                    watched(self, frame, ["HISTFILE="])
            return SILENT
        if kind == "command_substitution":
            self.substitute(node, frame)
            return UNREAD
        return self.body(node, frame, stdin)

    def _list(
        self, node: Node, frame: Frame, stdin: Stream, redirects: Redirects | None, pending: list[Node] | None = None
    ) -> Stream:
        parts: list[Node] = []
        while node.type == "list":
            named = [c for c in node.named_children if c.type != "comment"]
            parts += reversed(named[1:])
            if not named:
                return UNREAD
            node = named[0]
        parts.append(node)
        out = SILENT
        while parts:
            part = parts.pop()
            if not parts and pending:  # the last command's redirects, in the directory it runs in
                redirects = redirects or Redirects()
                for child in pending:
                    redirect(self, child, frame, redirects)
            out = out.plus(self.statement(part, frame, stdin, None if parts else redirects))
        return out

    def _pipeline(self, node: Node, frame: Frame, stdin: Stream, redirects: Redirects | None) -> Stream:
        stages = [c for c in node.named_children if c.type != "comment"]
        flow = stdin
        for i, stage in enumerate(stages):
            if stage.type == "list" and i < len(stages):  # "a | b && c" puts the list inside the pipeline
                flow = self.statement(stage, frame, flow, redirects if i == len(stages) - 1 else None)
                continue
            inner = frame.copy() if len(stages) > 1 else frame
            flow = self.statement(stage, inner, flow, redirects if i == len(stages) - 1 else None)
        return flow

    def _redirected(self, node: Node, frame: Frame, stdin: Stream, outer: Redirects | None) -> Stream:
        own = outer or Redirects()
        body: Node | None = None
        pending: list[Node] = []
        for child in node.named_children:
            if child.type in REDIRECTS:
                pending.append(child)
            elif child.type != "comment":
                if body is not None:
                    self.statement(body, frame, stdin)
                body = child
        if body is not None and body.type == "list":
            return self._list(body, frame, stdin, outer, pending)
        for child in pending:
            redirect(self, child, frame, own)
        if body is None:
            return self._finish(own, frame, SILENT)
        return self.statement(body, frame, stdin, own)

    def _finish(self, redirects: Redirects, frame: Frame, out: Stream) -> Stream:
        """After the statement: files that it wrote, then what follows a here-document's first line."""
        for target in redirects.outputs:
            self.wrote(target.text, frame, out, append=redirects.appends)
        if redirects.outputs:
            out = SILENT
        pipelines, rest = redirects.pipelines, redirects.rest
        redirects.pipelines, redirects.rest = [], []
        for node in pipelines:
            for stage in node.named_children if node.type == "pipeline" else [node]:
                out = self.statement(stage, frame.copy(), out)
        for node in rest:
            out = out.plus(self.statement(node, frame, UNREAD))
        return out

    def call(self, function: Function, name: str, args: list[Word], frame: Frame, stdin: Stream) -> Stream:
        """A function's body with its arguments; recursion is followed once."""
        if name in frame.calls:
            return UNREAD
        self.called.add(name)
        kept, self.source = self.source, function.source
        positional, calls = frame.positional, frame.calls
        frame.positional, frame.calls = args or (None if not frame.certain else args), (*calls, name)
        try:
            return self.statement(function.body, frame, stdin)
        finally:
            self.source = kept
            frame.positional, frame.calls = positional, calls

    def _command(self, node: Node, frame: Frame, stdin: Stream, redirects: Redirects | None) -> Stream:
        self.commands += 1
        own = redirects
        argv: list[Word] = []
        settings: dict[str, Word] = {}
        doubtful: list[str] = []
        children = node.children
        for i, child in enumerate(children):
            kind = child.type
            if kind == "command_name":
                argv += self._word_from(children, i, frame)
            elif kind == "variable_assignment":
                title, value = assignment(self, child, frame)
                settings[title] = value
                if title not in frame.variables:  # "X=1 cmd $X" expands the old X, which nobody set here
                    frame.variables[title] = NOWHERE
                    doubtful.append(title)
            elif kind in REDIRECTS:
                own = own or Redirects()
                redirect(self, child, frame, own)
            elif kind == "ERROR" or (kind == "number" and descriptor(child)):
                continue
            elif kind not in ("comment", "\n", ";", "&") and not (i and adjacent(self.source, children[i - 1], child)):
                argv += self._word_from(children, i, frame)
        for title in doubtful:
            frame.variables.pop(title, None)
        network = ""
        if own is not None:
            argv += own.arguments
            own.arguments = []
            network = own.network
            if own.stdin is not None:
                stdin = own.stdin
        if argv:
            out = self.runner.run(argv, frame, stdin, settings=settings, network=network)
        else:
            frame.variables.update(settings)
            for title, word in settings.items():
                watched(self, frame, [f"{title}={word.text}"])
                self.runner.setting(title, word, frame)
            out = SILENT
        return self._finish(own, frame, out) if own is not None else out

    def _word_from(self, children: list[Node], i: int, frame: Frame) -> list[Word]:
        """The words of child ``i``, and of those behind it that the grammar cut off from it (``'a'\\b``)."""
        last, count = i, len(children)
        while last + 1 < count and adjacent(self.source, children[last], children[last + 1]):
            last += 1
        if last == i and children[i].type != "command_name":
            return self.expander.words(children[i], frame)
        nodes = [c for n in children[i : last + 1] for c in (n.children if n.type == "command_name" else [n])]
        return self.expander.words(nodes[0], frame) if len(nodes) == 1 else self.expander.joined(nodes, frame)

    def run(self, argv: list[Word], frame: Frame, stdin: Stream) -> Stream:
        """A command that another one runs."""
        if self._depth > MAX_NODES or self.commands > MAX_COMMANDS:
            self.ledger.opaque("too-large", "more nesting or commands than are followed")
            return UNREAD
        self._depth += 1
        self.commands += 1
        try:
            return self.runner.run(argv, frame, stdin)
        finally:
            self._depth -= 1

    def assign(self, node: Node, frame: Frame) -> None:
        name, value = assignment(self, node, frame)
        frame.variables[name] = value
        if name[:4] == "HIST":
            watched(self, frame, [f"{name}={value.text}"])
        self.runner.setting(name, value, frame)

    def substitute(self, node: Node, frame: Frame) -> Stream:
        """``$(…)``: its effects, and what it prints."""
        children = [c for c in node.named_children if c.type != "comment"]
        only = children[0] if len(children) == 1 else None
        if only is not None and only.type == "redirected_statement" and only.named_child_count == 1:
            only = only.named_children[0]
        if only is not None and only.type == "command" and (named := self._named(literal(only))):
            return Stream(named)
        if only is not None and only.type == "file_redirect":
            redirects = Redirects()  # $(< file)
            redirect(self, only, frame, redirects)
            return redirects.stdin or SILENT
        return self.body(node, frame.copy(), UNREAD)

    def _named(self, name: str) -> str:
        """``$(MAKE)``: a line of a makefile; no program is called so, and make knows what the variable holds."""
        return load().places.variables.get(name, "") if name.isupper() and name not in self.called else ""

    def process_file(self, node: Node, frame: Frame) -> str:
        """``<(…)`` and ``>(…)``: the name under which the command sees it."""
        self._substitutions += 1
        name = f"/dev/fd/{62 + self._substitutions}"
        self.files[name] = self.body(node, frame.copy(), UNREAD)
        return name

    def nested(self, node: Node, frame: Frame) -> None:
        """The substitutions somewhere in a node whose value does not matter."""
        stack, seen = [node], 0
        while stack:
            current = stack.pop()
            seen += 1
            if seen > MAX_COMMANDS:
                self.ledger.opaque("too-large", "an expression too large to follow")
                return
            if current.type == "command_substitution":
                self.substitute(current, frame)
            elif current.type == "process_substitution":
                self.process_file(current, frame)
            else:
                stack += current.children
