"""Places outside of the database that keep checkpoints: who can rewrite the record cannot rewrite them too."""

from __future__ import annotations

import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from hitl_opa.audit import files
from hitl_opa.audit.notes import MAX_NOTE
from hitl_opa.errors import AuditError

FILE = "checkpoints.jsonl"
_TIMEOUT = 30.0
_LONGEST = 6 * MAX_NOTE  # bytes of a line: as long as JSON may write a note


class Anchor(Protocol):
    """A place that keeps signed checkpoints (the text of the notes)."""

    @property
    def name(self) -> str:
        """What the place is called, where it is remembered what it has got."""

    def put(self, notes: list[str]) -> None:
        """Keep these; on return they are kept. Raises AuditError."""

    def read(self) -> Kept | None:
        """All that it keeps, oldest first; None where that cannot be read back by us at all."""


class Kept(NamedTuple):
    """The notes that were found in a place, and what is wrong with it, a sentence each."""

    notes: list[str]
    problems: Sequence[str] = ()


class _Line(msgspec.Struct, frozen=True):
    checkpoint: str


_decoder = msgspec.json.Decoder(_Line)


class FileAnchor:
    """A file that is only appended to: JSON lines, ``{"checkpoint": note}``.

    It is worth something where the writer of the record may append to it and no more (``chattr +a``, another
    machine's share, write-once storage).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = f"file:{path}"

    def put(self, notes: list[str]) -> None:
        data = b"".join(msgspec.json.encode(_Line(note)) + b"\n" for note in notes)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._cut():
                data = b"\n" + data
            descriptor = files.regular(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                if os.write(descriptor, data) != len(data):  # whoever reads it sees a cut line, and says so
                    raise OSError("only a part could be written")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise AuditError(f"anchor {self._path}: {error.strerror or error}") from error

    def read(self) -> Kept:
        try:
            with os.fdopen(files.regular(self._path), "rb") as file:
                return read_notes(files.lines(file, _LONGEST), self.name)
        except FileNotFoundError:
            return Kept([])  # before the first checkpoint there is none; what it should have is known elsewhere
        except OSError as error:
            return Kept([], (f"{self.name}: {error.strerror or error}",))

    def _cut(self) -> bool:
        """Whether the last line was not written to its end: the next one must not become a part of it."""
        try:
            with os.fdopen(files.regular(self._path), "rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read() != b"\n"
        except OSError:  # there is none, it is empty, or it may only be written
            return False


class GitAnchor:
    """A git repository: each time a commit that appends to ``checkpoints.jsonl``, pushed where there is a remote.

    Read back is every line that any commit ever added, so that cutting the file short hides nothing.
    """

    def __init__(self, repository: Path, *, push: bool = False) -> None:
        self._repository = repository
        self._push = push
        self.name = f"git:{repository}"

    def put(self, notes: list[str]) -> None:
        FileAnchor(self._repository / FILE).put(notes)
        self._git("add", "--", FILE)
        self._git(
            *("-c", "user.name=hitl-opa", "-c", "user.email=hitl-opa@localhost", "-c", "core.hooksPath=/dev/null"),
            *("commit", "--quiet", "--no-verify", "--message", f"{len(notes)} checkpoint(s) of the audit log"),
            *("--", FILE),
        )
        if self._push:
            self._git("push", "--quiet")

    def read(self) -> Kept:
        # as text, whatever the repository's attributes and settings say of that file, and of the commits as they are
        show = ("log", "--all", "--reverse", "--patch", "--format=", "--no-color", "--text", "--no-textconv")
        try:
            shown = self._git("--no-replace-objects", *show, "--no-ext-diff", "--unified=0", "--", FILE)
        except AuditError as error:
            return Kept([], (str(error),))
        added = (line[1:] for line in shown.split(b"\n") if line.startswith(b"+") and not line.startswith(b"+++ "))
        return read_notes(added, self.name)

    def _git(self, *arguments: str) -> bytes:
        try:
            done = subprocess.run(
                ["git", "-C", str(self._repository), *arguments], capture_output=True, timeout=_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AuditError(f"anchor {self.name}: git: {error}") from error
        if done.returncode:
            raise AuditError(
                f"anchor {self.name}: git {' '.join(arguments[:2])}: {done.stderr.decode(errors='replace').strip()}"
            )
        return done.stdout


class WebhookAnchor:
    """An address that gets ``{"checkpoints": [note, …]}`` by POST and answers 2xx once it has kept them."""

    def __init__(self, url: str, *, token: str = "") -> None:
        if not url.startswith(("https://", "http://")):
            raise AuditError(f"anchor {url}: an address starts with https:// or http://")
        self._url = url
        self._token = token
        self.name = f"webhook:{url}"

    def put(self, notes: list[str]) -> None:
        headers = {"content-type": "application/json"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        body = msgspec.json.encode({"checkpoints": notes})
        request = urllib.request.Request(self._url, data=body, headers=headers, method="POST")  # noqa: S310  checked above
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=_TIMEOUT):
                return
        except (OSError, ValueError) as error:  # HTTPError and URLError among them
            raise AuditError(f"anchor {self._url}: {error}") from error

    def read(self) -> None:
        return None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A POST that is redirected becomes a GET, whose 200 would say nothing."""

    def redirect_request(self, *_: Any) -> None:
        return None


def read_notes(lines: Iterable[bytes], where: str) -> Kept:
    """The notes in lines of an anchor's file."""
    notes, wrong, first = [], 0, ""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            notes.append(_decoder.decode(line).checkpoint)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            wrong += 1
            first = first or f"{where}: line {number} is no checkpoint: {error}"
    more = f" (and {wrong - 1} more)" if wrong > 1 else ""
    return Kept(notes, (f"{first}{more}",) if wrong else ())
