"""Words as a shell expands them, as far as constants go.

A part that is not known is `UNKNOWN` in the text. Quoting matters until the last moment: a quoted
``*`` is no glob and a quoted ``{`` no brace, so quoted specials are kept apart by a shift into the
private use area while a word is put together.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from hitl_opa.facts.paths import UNKNOWN

if TYPE_CHECKING:
    from tree_sitter import Node

    from hitl_opa.facts.shell.frame import Frame
    from hitl_opa.facts.shell.interpret import Shell
from hitl_opa.facts.shell.expansions import MAX_FIELDS, ansi_c, arithmetic, expand_braces, transform

_IN_WORD = re.compile(r"(?<!\\)\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
_WHOLE_ARRAY = re.compile(r'"\$\{([A-Za-z_]\w*)\[@\]\}"\Z')
NO_ORIGIN: frozenset[str] = frozenset()
_SPECIAL = "{},*?[]~\\"
_HIDE = {ord(c): 0xE000 + ord(c) for c in _SPECIAL}
_SHOW = {v: k for k, v in _HIDE.items()}
_HIDDEN = re.compile("[\ue05b-\ue07e\ue02a-\ue03f]")
_PLAIN = re.compile(rb"[A-Za-z0-9_./:=,@%+^#-]*\Z")
_SECRET_NAME = re.compile(
    r"(?i)secret|token|passw|api_?key|apikey|credential|private_?key|access_?key|pgp_|_pat\b|_auth\b"
)


class Word(NamedTuple):
    """One word: text, whether it holds an active glob, and what went into it (``remote``, ``decoded``, ``secret``)."""

    text: str
    glob: bool = False
    origin: frozenset[str] = NO_ORIGIN

    @property
    def known(self) -> bool:
        return UNKNOWN not in self.text


NOWHERE = Word(UNKNOWN)


class _Piece(NamedTuple):
    text: str
    splits: bool  # an unquoted expansion: white space in it separates words
    origin: frozenset[str] = NO_ORIGIN


def literal(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


class Expander:
    """Expands word nodes in the frame of the shell that is being interpreted."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def words(self, node: Node, frame: Frame) -> list[Word]:
        """The words that one argument node becomes: none, one or many."""
        raw = node.text or b""
        if node.type in ("word", "number") and _PLAIN.match(raw):
            return [Word(raw.decode("ascii"))]
        return self._split(self.pieces(node, frame), frame)

    def _split(self, pieces: list[_Piece], frame: Frame) -> list[Word]:
        ifs = self._shell.separators(frame)
        if ifs.strip():
            blank = str.maketrans(dict.fromkeys(ifs, " "))
            pieces = [p._replace(text=p.text.translate(blank)) if p.splits else p for p in pieces]
        return _fields(pieces, self._shell.home)

    def joined(self, nodes: list[Node], frame: Frame) -> list[Word]:
        """The words that nodes become that are one word to the shell."""
        pieces: list[_Piece] = []
        for node, before in zip(nodes, [None, *nodes], strict=False):
            if before is not None and before.end_byte < node.start_byte:  # escaped characters that no node has
                between = self._shell.slice(before.end_byte, node.start_byte)
                pieces.append(_Piece(_unescape_plain(between), False))
            pieces += self.pieces(node, frame)
        for i in range(len(pieces) - 1):  # the grammar cuts "$X" in two where it follows a dash
            name = re.match(r"[A-Za-z_]\w*", pieces[i + 1].text) if pieces[i].text == "$" else None
            if name:
                value = self._variable(name[0], frame, False)
                pieces[i : i + 2] = [*value, pieces[i + 1]._replace(text=pieces[i + 1].text[name.end() :])]
        return self._split(pieces, frame)

    def word(self, node: Node, frame: Frame) -> Word:
        """The one word that an assignment or a redirect makes of the node: no field splitting."""
        pieces = [p._replace(splits=False) for p in self.pieces(node, frame)]
        words = _fields(pieces, self._shell.home, braces=False)
        return words[0] if words else Word("")

    def quoted(self, node: Node, frame: Frame) -> Word:
        """The text of a here-document body."""
        pieces = self._inner(node, frame, node.start_byte, node.end_byte, _unescape_double)
        return Word(_show("".join(p.text for p in pieces)), False, _union(pieces))

    def pieces(self, node: Node, frame: Frame) -> list[_Piece]:
        kind = node.type
        if kind in (
            "word",
            "number",
            "extglob_pattern",
            "regex",
            "variable_name",
            "test_operator",
            "file_descriptor",
            "string_content",
            "heredoc_content",
        ):
            if node.child_count and kind != "variable_name":
                return self._inner(node, frame, node.start_byte, node.end_byte, _unescape_plain)
            text = literal(node)
            if kind == "word" and "$" in text and (found := list(_IN_WORD.finditer(text))):
                return self._in_word(text, found, frame)  # the grammar leaves "$X" behind a dash in the word
            return [_Piece(_unescape_plain(text), False)]
        if kind == "raw_string":
            return (
                [
                    _Piece(_hide(literal(node)[1:-1]), False),
                ]
                if node.end_byte - node.start_byte > 2
                else [_Piece("", False)]
            )
        if kind in ("string", "translated_string"):
            return self._string(node, frame)
        if kind == "ansi_c_string":
            return [_Piece(_hide(ansi_c(literal(node)[2:-1])), False)]
        if kind == "concatenation":
            out: list[_Piece] = []
            at = node.start_byte
            for child in node.children:
                if child.start_byte > at:
                    out.append(_Piece(_unescape_plain(self._shell.slice(at, child.start_byte)), False))
                out += self.pieces(child, frame)
                at = child.end_byte
            return out
        if kind == "simple_expansion":
            return self._variable(literal(node)[1:], frame, False)
        if kind == "expansion":
            return self._expansion(node, frame)
        if kind == "command_substitution":
            stream = self._shell.substitute(node, frame)
            text = UNKNOWN if stream.text is None else stream.text.rstrip("\n").replace("\n", "\n")
            return [_Piece(_hide_braces(text), True, stream.origin)]
        if kind == "process_substitution":
            return [_Piece(self._shell.process_file(node, frame), False)]
        if kind == "arithmetic_expansion":
            self._shell.nested(node, frame)
            return [_Piece(arithmetic(literal(node)), False)]
        if kind == "brace_expression":
            return [_Piece(literal(node), False)]
        if kind == "array":
            out = []
            for child in node.named_children:
                out += [*self.pieces(child, frame), _Piece(" ", True)]
            return out
        if kind in ("$", "{", "}", "[", "]", "=", "==", "!=", ",", ":"):
            return [_Piece(literal(node), False)]
        self._shell.nested(node, frame)
        return [_Piece(UNKNOWN, False)]

    def _in_word(self, text: str, found: list[re.Match[str]], frame: Frame) -> list[_Piece]:
        out: list[_Piece] = []
        at = 0
        for match in found:
            out.append(_Piece(_unescape_plain(text[at : match.start()]), False))
            out += self._variable(match[1] or match[2], frame, False)
            at = match.end()
        return [*out, _Piece(_unescape_plain(text[at:]), False)]

    def _inner(self, node: Node, frame: Frame, start: int, end: int, unescape: object) -> list[_Piece]:
        """Children with the literal text between them (the grammar leaves blanks between children out)."""
        out: list[_Piece] = []
        at = start
        undo = _unescape_double if unescape is _unescape_double else _unescape_plain
        for child in node.children:
            if child.type in ("string_content", "heredoc_content", '"'):
                continue
            if child.start_byte > at:
                out.append(_Piece(undo(self._shell.slice(at, child.start_byte)), False))
            out += [p._replace(splits=False) for p in self.pieces(child, frame)]
            at = child.end_byte
        if at < end:
            out.append(_Piece(undo(self._shell.slice(at, end)), False))
        return out

    def _string(self, node: Node, frame: Frame) -> list[_Piece]:
        start, end = node.start_byte + 1, node.end_byte
        if node.type == "translated_string":
            start += 1
        if (node.text or b"")[-1:] == b'"' and end > start:
            end -= 1
        if node.child_count <= 3 and all(c.type in ('"', "string_content") for c in node.children):
            return [_Piece(_unescape_double(self._shell.slice(start, end)), False)]
        if (
            node.named_child_count == 1
            and node.named_children[0].type in ("simple_expansion", "expansion")
            and literal(node).strip('"') in ("$@", "${@}", "${*}")
        ):
            return self._variable("@", frame, False)
        whole = _WHOLE_ARRAY.match(literal(node))
        if whole and f"{whole[1]}[0]" in frame.variables:
            items: list[_Piece] = []
            for i in range(MAX_FIELDS):
                item = frame.variables.get(f"{whole[1]}[{i}]")
                if item is None:
                    break
                items += [_Piece(_hide(item.text), False, item.origin), _Piece(" ", True)]
            return items
        return [
            p._replace(text=_hide(p.text)) if p.splits else p
            for p in self._inner(node, frame, start, end, _unescape_double)
        ]

    def _variable(self, name: str, frame: Frame, quoted: bool) -> list[_Piece]:
        word = self._shell.variable(name, frame)
        text = word.text if word.glob and not quoted else _hide_braces(word.text)
        origin = word.origin
        if UNKNOWN in word.text and _SECRET_NAME.search(name):
            origin |= {"secret"}
        return [_Piece(text, not quoted, origin)]

    def _expansion(self, node: Node, frame: Frame) -> list[_Piece]:
        text = literal(node)[2:-1]
        match = re.match(r"(!?)([A-Za-z_]\w*|[0-9@*#?$!-])(\[[^]]*\])?(.*)\Z", text, re.DOTALL)
        if match is None:
            self._shell.nested(node, frame)
            return [_Piece(UNKNOWN, True)]
        bang, name, index, rest = match[1], match[2], match[3] or "", match[4]
        if text[:1] == "#" and len(text) > 1:
            self._shell.nested(node, frame)
            return [_Piece("1", False)]
        if bang and not rest and not index:
            pointer = self._shell.variable(name, frame)
            return (
                self._variable(pointer.text, frame, False)
                if pointer.known and pointer.text
                else [_Piece(UNKNOWN, True)]
            )
        value = self._shell.variable(name + (index if index not in ("[@]", "[*]") else ""), frame)
        unset = value.text == "" if rest[:1] == ":" else False
        known_unset = name not in frame.variables and value.text == UNKNOWN
        if not rest:
            return self._variable(name + (index if index not in ("[@]", "[*]") else ""), frame, False)
        operator = rest[:2] if rest[:1] == ":" else rest[:1]
        if operator in (":-", "-", ":=", "=", ":+", "+", ":?", "?"):
            default = self._default(node, frame)
            if operator in (":?", "?"):
                return self._variable(name, frame, False)
            if operator in (":+", "+"):
                return (
                    default
                    if value.text and value.text != UNKNOWN
                    else [_Piece("", True)]
                    if not value.text
                    else default
                )
            if unset or known_unset:
                if operator in (":=", "="):
                    frame.variables[name] = Word(_show("".join(p.text for p in default)), False, _union(default))
                return default
            return self._variable(name, frame, False)
        self._shell.nested(node, frame)
        if "$" in rest or "`" in rest or not (value.known or rest[:1] in "%#"):
            return [_Piece(UNKNOWN, True, value.origin)]
        return [_Piece(_hide_braces(transform(value.text, rest)), True, value.origin)]

    def _default(self, node: Node, frame: Frame) -> list[_Piece]:
        seen_operator = False
        out: list[_Piece] = []
        at = 0
        for child in node.children:
            if seen_operator and child.type != "}":
                if at and child.start_byte > at:
                    out.append(_Piece(self._shell.slice(at, child.start_byte), True))
                plain = child.type in ("word", "number", "regex")
                out += (
                    [p._replace(splits=True) for p in self.pieces(child, frame)] if plain else self.pieces(child, frame)
                )
            elif child.type in (":-", "-", ":=", "=", ":+", "+", ":?", "?"):
                seen_operator = True
            at = child.end_byte
        return out or [_Piece("", True)]


def _fields(pieces: list[_Piece], home: str, *, braces: bool = True) -> list[Word]:
    """Brace expansion, tilde, field splitting and the marking of globs."""
    origin = _union(pieces)
    if any(p.splits for p in pieces):
        fields: list[str] = []
        current: str | None = None
        for piece in pieces:
            if not piece.splits:
                current = (current or "") + piece.text
                continue
            parts = piece.text.split()
            if not parts:
                if piece.text and current is not None:
                    fields.append(current)
                    current = None
                continue
            if piece.text[:1].isspace() and current is not None:
                fields.append(current)
                current = None
            parts[0] = (current or "") + parts[0]
            fields += parts[:-1]
            current = parts[-1]
            if piece.text[-1:].isspace():
                fields.append(current)
                current = None
        if current is not None:
            fields.append(current)
    else:
        fields = ["".join(p.text for p in pieces)]
    if braces and any("{" in f for f in fields):
        fields = [b for f in fields for b in expand_braces(f)][:MAX_FIELDS]
    out = []
    for field in fields[:MAX_FIELDS]:
        glob = "*" in field or "?" in field or ("[" in field and "]" in field)
        homely = field[:1] == "~" and home and (field == "~" or field[1] == "/")
        out.append(Word(_show(home + field[1:] if homely else field), glob, origin))
    return out


def _union(pieces: list[_Piece]) -> frozenset[str]:
    out = NO_ORIGIN
    for piece in pieces:
        if piece.origin:
            out |= piece.origin
    return out


def _hide(text: str) -> str:
    return text.translate(_HIDE)


def _hide_braces(text: str) -> str:
    """The result of an expansion: globs in it are active, braces and tildes are not."""
    return text.replace("{", "\ue07b").replace("~", "\ue07e") if "{" in text or "~" in text else text


def _show(text: str) -> str:
    return text.translate(_SHOW) if _HIDDEN.search(text) else text


def _unescape_plain(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\(\n|.)?", lambda m: "" if m[1] == "\n" else _hide(m[1] or "\\"), text, flags=re.DOTALL)


def _unescape_double(text: str) -> str:
    if "\\" in text:
        text = re.sub(r'\\([$`"\\\n])', lambda m: "" if m[1] == "\n" else m[1], text)
    return _hide(text)
