"""A walk over the syntax tree that follows what a shell would do, without doing it.

Both sides of every branch are walked, loops once per known value. What the grammar could not parse
is opaque ``parse-error``, and the text is read a second time by a tolerant splitter so that no
command in it is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.frame import MAX_STREAM, SILENT, UNREAD, Frame, Function, Stream
from hitl_opa.facts.shell.parse import parse
from hitl_opa.facts.shell.words import NOWHERE, Expander, Word, literal

if TYPE_CHECKING:
    from tree_sitter import Node

    from hitl_opa.facts.ledger import Ledger

MAX_SCRIPT = 131_072  # bytes of one script
MAX_NODES = 64  # nesting of the tree
MAX_SCRIPTS = 12  # scripts within scripts
MAX_COMMANDS = 2_000
MAX_ROUNDS = 16  # rounds of one loop
_SKIP = frozenset({"comment", ";", "&", ";;", "\n", "(", ")", "{", "}", "&&", "||", "|", "|&", "!", "variable_name", "heredoc_start", "heredoc_end", "do", "done", "then", "fi", "else", "elif", "if", "while", "until", "for", "in", "case", "esac", ";;&", ";&", "``", "`", "$(", "<(", ">(", "word", "((", "))", "function", "select"})
_REDIRECTS = frozenset({"file_redirect", "heredoc_redirect", "herestring_redirect"})


class Redirects:
    """The redirects of one statement: what it reads on stdin, which files it writes, and commands that follow a here-document."""

    __slots__ = ("appends", "arguments", "network", "outputs", "pipelines", "rest", "stdin")

    def __init__(self) -> None:
        self.stdin: Stream | None = None
        self.outputs: list[Word] = []
        self.appends = False
        self.network = ""
        self.rest: list[Node] = []
        self.pipelines: list[Node] = []
        self.arguments: list[Word] = []


class Shell:
    """Interprets the scripts of one call into its ledger."""

    def __init__(self, ledger: Ledger, home: str) -> None:
        from hitl_opa.facts.shell.run import Runner

        self.ledger = ledger
        self.home = home
        self.files: dict[str, Stream] = {}  # what files written by this call hold, by absolute path
        self.tainted: dict[str, frozenset[str]] = {}
        self.commands = 0
        self.scripts = 0
        self._expander = Expander(self)
        self._runner = Runner(self)
        self._source = b""
        self._depth = 0
        self._substitutions = 0
        self.called: set[str] = set()

    def slice(self, start: int, end: int) -> str:
        return self._source[start:end].decode("utf-8", "replace")

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
        kept, self._source = self._source, source
        self.scripts += 1
        try:
            root = parse(source)
            if root.has_error:
                self._broken(root, text, frame, via)
            out = self._body(root, frame, stdin)
            if frame.functions and self.scripts == 1:
                self._uncalled(frame)
            return out
        finally:
            self.scripts -= 1
            self._source = kept

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
            self.ledger.opaque("parse-error", _error_text(root) or text, via)
        for argv, targets in found:
            scratch = frame.copy()
            for operator, target in targets:
                self._redirect_to(operator, target, scratch)
            if argv:
                self._runner.run(list(argv), scratch, UNREAD)

    # -- statements -------------------------------------------------------------------------

    def _body(self, node: Node, frame: Frame, stdin: Stream) -> Stream:
        out = SILENT
        for child in node.children:
            if child.type not in _SKIP:
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
                if child.type in ("command", "list", "pipeline", "redirected_statement", "subshell", "compound_statement", "command_substitution"):
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
            return self._body(node, frame.copy(), stdin)
        if kind in ("compound_statement", "do_group", "program"):
            return self._body(node, frame, stdin)
        if kind == "negated_command":
            return self._body(node, frame, stdin)
        if kind == "if_statement" or kind == "while_statement":
            return self._branches(node, frame, stdin)
        if kind == "for_statement":
            return self._for(node, frame, stdin)
        if kind == "case_statement":
            return self._case(node, frame, stdin)
        if kind == "function_definition":
            return self._define(node, frame)
        if kind == "declaration_command":
            return self._declare(node, frame)
        if kind == "test_command":
            self.nested(node, frame)
            return SILENT
        if kind == "unset_command":
            for child in node.named_children:
                frame.variables.pop(literal(child), None)
                frame.functions.pop(literal(child), None)
            return SILENT
        if kind == "command_substitution":
            self.substitute(node, frame)
            return UNREAD
        return self._body(node, frame, stdin)

    def _list(self, node: Node, frame: Frame, stdin: Stream, redirects: Redirects | None, pending: list[Node] | None = None) -> Stream:
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
                    self.redirect(child, frame, redirects)
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
            if child.type in _REDIRECTS:
                pending.append(child)
            elif child.type != "comment":
                if body is not None:
                    self.statement(body, frame, stdin)
                body = child
        if body is not None and body.type == "list":
            return self._list(body, frame, stdin, outer, pending)
        for child in pending:
            self.redirect(child, frame, own)
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

    def _branches(self, node: Node, frame: Frame, stdin: Stream) -> Stream:
        before = dict(frame.variables)
        out = self._body(node, frame, stdin)
        for name, word in frame.variables.items():
            old = before.get(name)
            if old is not None and old != word and not (old.text == "" or word.text == ""):
                frame.variables[name] = Word(UNKNOWN, False, old.origin | word.origin)
        return Stream(None, out.origin)

    def _for(self, node: Node, frame: Frame, stdin: Stream) -> Stream:
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
            elif listed and child.type not in _SKIP - {"word"}:
                values += self._expander.words(child, frame)
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
                out = out.plus(self.statement(body, frame, stdin))
        return out

    def _case(self, node: Node, frame: Frame, stdin: Stream) -> Stream:
        before = dict(frame.variables)
        for item in node.named_children:
            if item.type != "case_item":
                self.nested(item, frame)
                continue
            inner_values = {id(c) for c in item.children_by_field_name("value")}
            for child in item.named_children:
                if id(child) not in inner_values and child.type not in ("word", "extglob_pattern", "string", "raw_string", "concatenation", "number", "comment", "simple_expansion", "regex", "expansion", "ansi_c_string"):
                    self.statement(child, frame, stdin)
        for name, word in list(frame.variables.items()):
            if before.get(name) not in (None, word):
                frame.variables[name] = NOWHERE
        return UNREAD

    def _define(self, node: Node, frame: Frame) -> Stream:
        name = node.child_by_field_name("name")
        body = node.child_by_field_name("body")
        if name is None or body is None:
            return SILENT
        title = literal(name)
        frame.functions[title] = Function(body, self._source)
        if self._calls_itself(body, title):
            self.ledger.effect("execute", "process", title, place="all", via=title, traits=("fork-bomb",), certain=frame.certain)
        return SILENT

    def _calls_itself(self, body: Node, name: str) -> bool:
        """A pipeline or background job in which the function calls itself: a fork bomb."""
        text = literal(body)
        if name not in text or ("|" not in text and "&" not in text):
            return False
        stack, count, piped = [body], 0, False
        seen = 0
        while stack and seen < 2000:
            node = stack.pop()
            seen += 1
            if node.type == "command" and (child := node.child_by_field_name("name")) is not None and literal(child) == name:
                count += 1
            piped = piped or node.type in ("pipeline", "&")
            stack += node.children
        return count >= 1 and piped

    def call(self, function: Function, name: str, args: list[Word], frame: Frame, stdin: Stream) -> Stream:
        """A function's body with its arguments; recursion is followed once."""
        if name in frame.calls:
            return UNREAD
        self.called.add(name)
        kept, self._source = self._source, function.source
        positional, calls = frame.positional, frame.calls
        frame.positional, frame.calls = args or (None if not frame.certain else args), (*calls, name)
        try:
            return self.statement(function.body, frame, stdin)
        finally:
            self._source = kept
            frame.positional, frame.calls = positional, calls

    def _declare(self, node: Node, frame: Frame) -> Stream:
        for child in node.named_children:
            if child.type == "variable_assignment":
                self.assign(child, frame)
            elif child.type not in ("word", "variable_name"):
                self.nested(child, frame)
        return SILENT

    # -- commands ---------------------------------------------------------------------------

    def _command(self, node: Node, frame: Frame, stdin: Stream, redirects: Redirects | None) -> Stream:
        self.commands += 1
        own = redirects
        argv: list[Word] = []
        settings: dict[str, Word] = {}
        doubtful: list[str] = []
        for child in node.children:
            kind = child.type
            if kind == "command_name":
                for name in child.children:
                    argv += self._expander.words(name, frame)
            elif kind == "variable_assignment":
                title, value = self._assignment(child, frame)
                settings[title] = value
                if title not in frame.variables:  # "X=1 cmd $X" expands the old X, which nobody set here
                    frame.variables[title] = NOWHERE
                    doubtful.append(title)
            elif kind in _REDIRECTS:
                own = own or Redirects()
                self.redirect(child, frame, own)
            elif kind == "ERROR":
                continue
            elif kind not in ("comment", "\n", ";", "&"):
                argv += self._expander.words(child, frame)
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
            out = self._runner.run(argv, frame, stdin, settings=settings, network=network)
        else:
            frame.variables.update(settings)
            out = SILENT
        return self._finish(own, frame, out) if own is not None else out

    def run(self, argv: list[Word], frame: Frame, stdin: Stream) -> Stream:
        """A command that another one runs."""
        if self._depth > MAX_NODES or self.commands > MAX_COMMANDS:
            self.ledger.opaque("too-large", "more nesting or commands than are followed")
            return UNREAD
        self._depth += 1
        self.commands += 1
        try:
            return self._runner.run(argv, frame, stdin)
        finally:
            self._depth -= 1

    def assign(self, node: Node, frame: Frame) -> None:
        name, value = self._assignment(node, frame)
        frame.variables[name] = value

    def _assignment(self, node: Node, frame: Frame) -> tuple[str, Word]:
        name_node, value_node = node.child_by_field_name("name"), node.child_by_field_name("value")
        name = literal(name_node) if name_node is not None else ""
        if name_node is not None and name_node.type == "subscript":
            self.nested(name_node, frame)
        value = self._expander.word(value_node, frame) if value_node is not None else Word("")
        if value_node is not None and value_node.type == "array":
            first = [w for c in value_node.named_children for w in self._expander.words(c, frame)]
            for i, word in enumerate(first[:256]):
                frame.variables[f"{name}[{i}]"] = word
            value = Word(" ".join(w.text for w in first), any(w.glob for w in first), value.origin)
        if any(c.type == "+=" for c in node.children):
            old = self.variable(name, frame)
            value = Word(old.text + (" " if value_node is not None and value_node.type == "array" else "") + value.text, old.glob or value.glob, old.origin | value.origin)
        if len(value.text) > MAX_STREAM:
            value = NOWHERE
        return name, value

    # -- what words need --------------------------------------------------------------------

    def variable(self, name: str, frame: Frame) -> Word:
        """The value of a variable; one that the call does not set has its well-known value or is not known."""
        word = frame.variables.get(name)
        if word is not None:
            return word
        if frame.positional is not None and (name in ("@", "*") or name.isdigit()):
            args = frame.positional
            if name in ("@", "*"):
                return Word(" ".join(a.text for a in args), any(a.glob for a in args), frozenset[str]().union(*(a.origin for a in args)))
            index = int(name[:6])
            return Word("") if index > len(args) else args[index - 1] if index else Word("bash")
        if name in ("#", "?", "$", "!", "RANDOM", "SECONDS", "LINENO", "UID", "EUID", "PPID", "BASHPID"):
            return Word("1")
        if name == "PWD":
            return Word(frame.cwd or UNKNOWN)
        from hitl_opa.facts.data import load

        value = load().places.variables.get(name)
        if value is None:
            return NOWHERE
        if value[:1] == "@":
            place, slash, rest = value[1:].partition("/")
            base = {"home": self.home, "cwd": frame.cwd, "workspace": self.ledger.paths.workspace}.get(place, "")
            return Word((base or UNKNOWN) + slash + rest)
        return Word(value)

    def substitute(self, node: Node, frame: Frame) -> Stream:
        """``$(…)``: its effects, and what it prints."""
        children = [c for c in node.named_children if c.type != "comment"]
        if len(children) == 1 and children[0].type == "redirected_statement" and len(children[0].named_children) == 1:
            redirects = Redirects()  # $(< file)
            self.redirect(children[0].named_children[0], frame, redirects)
            return redirects.stdin or SILENT
        return self._body(node, frame.copy(), UNREAD)

    def process_file(self, node: Node, frame: Frame) -> str:
        """``<(…)`` and ``>(…)``: the name under which the command sees it."""
        self._substitutions += 1
        name = f"/dev/fd/{62 + self._substitutions}"
        self.files[name] = self._body(node, frame.copy(), UNREAD)
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

    # -- redirects --------------------------------------------------------------------------

    def redirect(self, node: Node, frame: Frame, into: Redirects) -> None:
        if node.type == "herestring_redirect":
            words = [w for c in node.named_children for w in [self._expander.word(c, frame)]]
            text = words[-1] if words else Word("")
            into.stdin = Stream(None if not text.known else text.text + "\n", text.origin)
        elif node.type == "heredoc_redirect":
            self._heredoc(node, frame, into)
        else:
            operator = next((c.type for c in node.children if c.type in ("<", ">", ">>", "&>", "&>>", "<&", ">&", ">|", "<&-", ">&-")), "<>")
            if any(c.type == "ERROR" for c in node.children):
                operator = "<>"
            targets = node.children_by_field_name("destination")
            for child in targets[:1]:
                self._redirect_into(operator, self._expander.word(child, frame), frame, into)
            for child in targets[1:]:  # the grammar takes words after a redirect into it; a number is the next one's descriptor
                if child.type != "number":
                    into.arguments += self._expander.words(child, frame)

    def _redirect_into(self, operator: str, target: Word, frame: Frame, into: Redirects) -> None:
        stream = self._redirect_to(operator, target, frame)
        if target.text.startswith(("/dev/tcp/", "/dev/udp/")):
            into.network = target.text
            if operator == "<":
                into.stdin = Stream(None, frozenset({"remote"}))
        elif operator == "<":
            into.stdin = stream
        elif not target.text.isdigit() and target.text != "-" and operator != "<&":
            into.outputs.append(target)
            into.appends = into.appends or operator in (">>", "&>>")

    def _redirect_to(self, operator: str, target: Word, frame: Frame) -> Stream:
        text = target.text
        if operator in (">&", "<&") and (text.rstrip("-").isdigit() or text in ("-", "")):
            return UNREAD
        if text.startswith(("/dev/tcp/", "/dev/udp/")):
            host = text.split("/")[3:4]
            self.ledger.host("send", host[0] if host else UNKNOWN, via="sh", traits=tuple(sorted({*frame.traits, "upload"})))
            return UNREAD
        if operator == "<":
            return self.read(target, frame, via="<")
        traits = ("append",) if operator in (">>", "&>>") else ("overwrite",) if operator != "<>" else ()
        self.path("write", target, frame, via=operator, traits=traits)
        return UNREAD

    def _heredoc(self, node: Node, frame: Frame, into: Redirects) -> None:
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
                    word = self._expander.quoted(child, frame)
                    body, origin = word.text, word.origin
            elif kind in _REDIRECTS:
                self.redirect(child, frame, into)
            elif kind == "pipeline":
                into.pipelines.append(child)
            elif kind in ("command", "list", "redirected_statement", "compound_statement", "subshell", "if_statement", "variable_assignment"):
                into.rest.append(child)
            elif child.is_named and kind not in ("heredoc_end", "comment", "ERROR"):
                into.arguments += self._expander.words(child, frame)
        if dash:
            body = "\n".join(line.lstrip("\t") for line in body.split("\n"))
        into.stdin = Stream(None if UNKNOWN in body and len(body) < 3 else body, origin)

    # -- files ------------------------------------------------------------------------------

    def path(self, verb: str, word: Word, frame: Frame, *, via: str = "", traits: tuple[str, ...] = ()) -> str:
        """An effect on the path that a word names; writing to ``/dev/null`` and reading ``/dev/zero`` are none."""
        text = word.text
        if text in ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/stdin", "/dev/tty") and verb in ("read", "write"):
            return "null"
        if text[:8] == "/dev/fd/":
            return "null"
        if frame.traits:
            traits = tuple({*traits, *frame.traits})
        return self.ledger.path(verb, text, frame.cwd, via=via, traits=tuple(sorted(traits)), glob=word.glob, certain=frame.certain)

    def read(self, word: Word, frame: Frame, *, via: str, traits: tuple[str, ...] = ()) -> Stream:
        """Reads a file: the effect, and its content where this call wrote it."""
        place = self.path("read", word, frame, via=via, traits=traits)
        if word.known:
            known = self.files.get(word.text) or self.files.get(self.absolute(word.text, frame))
            if known is not None:
                return known
        return Stream(None, frozenset({"secret"}) if place in ("credentials", "env-file", "system-auth") else frozenset())

    def wrote(self, text: str, frame: Frame, content: Stream, *, append: bool = False) -> None:
        """Remembers what a file holds after this call wrote it."""
        if UNKNOWN in text or text[:5] == "/dev/":
            return
        name = self.absolute(text, frame)
        if append:
            content = self.files.get(name, UNREAD).plus(content)
        if content.text is not None and len(content.text) > MAX_STREAM:
            content = Stream(None, content.origin)
        self.files[name] = content

    def absolute(self, text: str, frame: Frame) -> str:
        joined = self.ledger.paths.join(text, frame.cwd)
        if "/." in joined or "//" in joined:
            import posixpath

            return posixpath.normpath(joined)
        return joined


def _error_text(root: Node) -> str:
    stack, seen = [root], 0
    while stack and seen < 500:
        node = stack.pop()
        seen += 1
        if node.type == "ERROR" or node.is_missing:
            return literal(node)
        stack += [c for c in reversed(node.children) if c.has_error or c.is_missing]
    return ""
