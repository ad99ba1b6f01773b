"""What scripts of one call touch: variables, paths, and files that an earlier command of the call wrote."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hitl_opa.facts.holdings import holds_secrets
from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.frame import MAX_STREAM, SILENT, UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import NOWHERE, Word

if TYPE_CHECKING:
    from hitl_opa.facts.ledger import Ledger


# Variables of a file of settings whose names say that they are no secret.
_PLAIN = re.compile(r"(?i)(?:^|_)(?:PORT|HOST|ENV|DEBUG|LEVEL|REGION|MODE|VERSION|NAME|DIR|TZ|LANG)$")


class World:
    """The ledger that effects go to, and what is known of files and variables."""

    def __init__(self, ledger: Ledger, home: str) -> None:
        self.ledger = ledger
        self.home = home
        self.traps: list[Word] = []  # what the call wants run when it ends, or at a signal
        self.appended: dict[str, Stream] = {}  # and what it added to files that it did not write
        self.files: dict[str, Stream] = {}  # what files written by this call hold, by absolute path

    def variable(self, name: str, frame: Frame) -> Word:
        """The value of a variable; one that the call does not set has its well-known value or is not known."""
        word = frame.variables.get(name)
        if word is not None:
            return word
        if frame.positional is not None and (name in ("@", "*") or name.isdigit()):
            args = frame.positional
            if name in ("@", "*"):
                return Word(
                    " ".join(a.text for a in args),
                    any(a.glob for a in args),
                    frozenset[str]().union(*(a.origin for a in args)),
                )
            index = int(name[:6])
            return Word("") if index > len(args) else args[index - 1] if index else Word(frame.title)
        if name == "!":
            return Word(UNKNOWN, False, frozenset({"job"}))  # what this shell started
        if name in ("#", "?", "$", "RANDOM", "SECONDS", "LINENO", "UID", "EUID", "PPID", "BASHPID"):
            return Word("1")
        if name == "PWD":
            return Word(frame.cwd or UNKNOWN)
        from hitl_opa.facts.data import load

        value = load().places.variables.get(name)
        if value is None:
            return Word(UNKNOWN, False, frame.loaded) if frame.loaded and not _PLAIN.search(name) else NOWHERE
        if value[:1] == "@":
            place, slash, rest = value[1:].partition("/")
            base = {"home": self.home, "cwd": frame.cwd, "workspace": self.ledger.paths.workspace}.get(place, "")
            return Word((base or UNKNOWN) + slash + rest)
        return Word(value)

    def separators(self, frame: Frame) -> str:
        """What the call itself made of IFS, ``""`` where it left it alone."""
        word = frame.variables.get("IFS")
        return word.text if word is not None and word.known else ""

    def path(self, verb: str, word: Word, frame: Frame, *, via: str = "", traits: tuple[str, ...] = ()) -> str:
        """An effect on the path that a word names; writing to ``/dev/null`` and reading ``/dev/zero`` are none."""
        text = word.text
        if text in ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/stdin", "/dev/tty") and verb in ("read", "write"):
            return "null"
        if text[:8] == "/dev/fd/":
            if verb == "read" or text in self.files or text[8:] in ("0", "1", "2"):
                return "null"
            word = NOWHERE  # a descriptor that something else opened
            text = word.text
        if frame.traits:
            traits = tuple({*traits, *frame.traits})
        return self.ledger.path(
            verb, text, frame.cwd, via=via, traits=tuple(sorted(traits)), glob=word.glob, certain=frame.certain
        )

    def copies(self, word: Word, frame: Frame, via: str) -> None:
        """A tree is copied as a whole: with the secrets that lie in it."""
        at = self.ledger.paths.locate(word.text, frame.cwd, glob=word.glob)
        if at.real and holds_secrets(at.real, self.home):
            self.ledger.effect(
                "read", "secret", word.text, via=via, traits=("recursive", *frame.traits), certain=frame.certain
            )

    def read(self, word: Word, frame: Frame, *, via: str, traits: tuple[str, ...] = ()) -> Stream:
        """Reads a file: the effect, and its content where this call wrote it."""
        place = self.path("read", word, frame, via=via, traits=traits)
        if word.known:
            known = self.files.get(word.text) or self.files.get(self.absolute(word.text, frame))
            if known is not None:
                return known
        return Stream(
            None, frozenset({"secret", "leak"}) if place in ("credentials", "env-file", "system-auth") else frozenset()
        )

    def wrote(self, text: str, frame: Frame, content: Stream, *, append: bool = False) -> None:
        """Remembers what a file holds after this call wrote it."""
        if UNKNOWN in text or text[:5] == "/dev/":
            return
        name = self.absolute(text, frame)
        if append and name not in self.files:
            self.appended[name] = self.appended.get(name, SILENT).plus(content)
        if append:
            content = self.files.get(name, UNREAD).plus(content)
        if content.text is not None and len(content.text) > MAX_STREAM:
            content = Stream(None, content.origin)
        for below in [known for known in self.files if known.startswith(name + "/")]:
            del self.files[below]  # a folder is written: what lies in it may be another file now
        self.files[name] = content

    def came(self, path: str) -> frozenset[str]:
        """Where the folders that a path lies in came from, as far as this call made them."""
        below = 0
        while self.files and path.count("/") > 1:
            known = self.files.get(path)
            whole = path == self.ledger.paths.workspace
            if known is not None and known.origin & {"remote", "fetched"} and (not whole or below > 1):
                return known.origin
            if whole:
                break
            path, below = path.rpartition("/")[0], below + 1
        return frozenset()

    def absolute(self, text: str, frame: Frame) -> str:
        joined = self.ledger.paths.join(text, frame.cwd)
        if "/." in joined or "//" in joined:
            import posixpath

            return posixpath.normpath(joined)
        return joined
