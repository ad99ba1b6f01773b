"""Code that a command runs: shell text, inline code of other languages, script files, SQL."""

# ruff: noqa: PTH122, S604

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell import variables
from hitl_opa.facts.shell.frame import UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

MAX_FILE = 65_536
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh", "ash", "fish", "mksh", "rbash"})
_SUFFIX = {
    ".sh": "sh",
    ".bash": "sh",
    ".zsh": "sh",
    ".py": "python",
    ".js": "node",
    ".mjs": "node",
    ".cjs": "node",
    ".ts": "node",
    ".rb": "ruby",
    ".pl": "perl",
    ".php": "php",
    ".ps1": "powershell",
    ".awk": "awk",
}


def shell_text(shell: Shell, frame: Frame, word: Word, stdin: Stream, via: str) -> Stream:
    """A word that is run as shell code: read where known, opaque where not."""
    marks_origin(shell, frame, word.origin, word.text, via)
    if word.known:
        return shell.script(word.text, frame, stdin, via=via)
    if word.text.strip(UNKNOWN + " \n") == "":
        kind = "eval" if via == "eval" else "piped-code" if "remote" in word.origin else "dynamic-code"
        shell.ledger.opaque(kind, word.text, via)
        shell.ledger.effect(
            "execute",
            "code",
            "",
            place="remote" if "remote" in word.origin else "unknown",
            via=via,
            traits=frame.traits,
            certain=frame.certain,
        )
        return UNREAD
    # Part of it is known: a variable where the gap is keeps the gap unknown and the other words readable.
    if _gap_matters(word.text):
        shell.ledger.opaque("eval" if via == "eval" else "dynamic-code", word.text, via)
    return shell.script(word.text.replace(UNKNOWN, "${__}"), frame, stdin, via=via)


def _gap_matters(text: str) -> bool:
    """Whether an unknown part could be more than an argument: it stands where a command could start or end."""
    before = text.split(UNKNOWN, maxsplit=1)[0].rstrip()
    return not before or before[-1] in ";&|(`{" or before.endswith(("$(", "then", "do", "else"))


def marks_origin(shell: Shell, frame: Frame, origin: frozenset[str], text: str, via: str) -> None:
    if "remote" in origin:
        shell.ledger.opaque("piped-code", text, via)
        shell.ledger.effect(
            "execute",
            "code",
            "",
            place="remote",
            via=via,
            traits=tuple(sorted({"download", *frame.traits})),
            certain=frame.certain,
        )
    if "decoded" in origin:
        shell.ledger.opaque("decoded-code", text, via)
        shell.ledger.effect("execute", "code", "", place="unknown", via=via, traits=frame.traits, certain=frame.certain)


def piped(shell: Shell, frame: Frame, language: str, stdin: Stream, via: str) -> Stream:
    """An interpreter without a script: it runs what comes on stdin."""
    marks_origin(shell, frame, stdin.origin, stdin.text or "", via)
    if stdin.text is None:
        shell.ledger.opaque("piped-code", "", via)
        place = "remote" if "remote" in stdin.origin else "unknown"
        shell.ledger.effect("execute", "code", "", place=place, via=via, traits=frame.traits, certain=frame.certain)
        return UNREAD
    word = Word(stdin.text)
    if language == "sh":
        return shell_text(shell, frame, word, UNREAD, via)
    return inline(shell, frame, language, word, UNREAD, via)


def inline(shell: Shell, frame: Frame, language: str, word: Word, stdin: Stream, via: str) -> Stream:
    """Code given as an argument in some language."""
    if language == "sh":
        return shell_text(shell, frame, word, stdin, via)
    marks_origin(shell, frame, word.origin & {"remote", "decoded"}, word.text, via)
    from hitl_opa.facts.code import read_code

    return read_code(shell, frame, language, word, stdin, via)


def script_place(shell: Shell, frame: Frame, word: Word) -> tuple[str, str, bool]:
    """The place of code in a file, the file's real path, and whether it lies in the workspace."""
    at = shell.ledger.paths.locate(word.text, frame.cwd, glob=word.glob)
    if at.inside or at.place == "workspace":
        return "workspace", at.real, at.inside
    relative = word.text[:1] not in "/~" and UNKNOWN not in word.text
    if (relative and at.place in ("home", "outside")) or (relative and UNKNOWN in frame.cwd):
        return "workspace", at.real, False
    return "unknown", at.real, False


# Scripts that a framework puts into every project: what their subcommands do is known, whatever they contain.
_READ = frozenset({"node", "ruby", "perl", "php", "lua", "r", "julia", "awk", "powershell"})  # as inline code
_LAUNCHERS = frozenset({"gradlew", "gradlew.bat", "mvnw", "mvnw.cmd", "artisan", "manage.py", "rails", "rake", "sail"})


def script_file(
    shell: Shell, frame: Frame, language: str, word: Word, args: list[Word], stdin: Stream, via: str
) -> Stream:
    """A file that is run: the effect, and what its content does where that can be read."""
    name = shell.absolute(word.text, frame) if word.known else ""
    written = shell.files.get(name) or shell.files.get(word.text)
    place, real, inside = script_place(shell, frame, word)
    if written is not None:
        if "remote" in written.origin or "decoded" in written.origin:
            marks_origin(shell, frame, written.origin, word.text, via)
            place = "remote" if "remote" in written.origin else place
        content, certain = written.text, True
        if content is None and name in shell.appended:
            content = shell.appended[name].text
        if content is not None and place == "unknown" and not written.origin & {"remote", "decoded", "secret"}:
            place = "inline"  # this call wrote it, so it is read like code on the command line
    else:
        if shell.came(name):
            place = "unknown"  # code that this call fetched, which nobody has read
        wanted = language != "none" and (place == "workspace" or inside)
        content, certain = (read_small(real) if wanted else None), False
    if word.text.startswith(("http://", "https://")):
        shell.ledger.url("receive", word.text, via=via, traits=frame.traits)
        place, real = "remote", ""
    elif word.text[:5] == "data:":
        shell.ledger.opaque("inline-code", word.text, via)
    shell.ledger.effect(
        "execute",
        "code",
        word.text,
        place=place,
        real=real,
        inside=inside,
        via=via,
        traits=frame.traits,
        certain=frame.certain,
    )
    if not word.known:
        shell.ledger.opaque("variable-path", word.text, via)
    elif place == "workspace" and (base := word.text.replace("\\", "/").rpartition("/")[2]) in _LAUNCHERS:
        shell.run([Word(base), *args], frame.within(via), stdin)
    if content is None:
        return UNREAD
    language = language or _language(word.text, content)
    inner = frame.within(via, certain=certain)
    inner.positional = args
    if language == "sh":
        return shell.script(content, inner, stdin, via=via)
    if language == "python" or place == "inline" or (written is not None and language in _READ):
        from hitl_opa.facts.code import read_code

        return read_code(shell, inner, language, Word(content), stdin, via, script=True)
    return UNREAD


# What shells read when they start, and what toolchains ask to be sourced: to run them again changes nothing.
_STARTED = frozenset(
    {".bashrc", ".bash_profile", ".profile", ".zshrc", ".zprofile", ".zshenv", ".cargo/env", ".nvm/nvm.sh",
     ".asdf/asdf.sh", ".sdkman/bin/sdkman-init.sh", ".rvm/scripts/rvm", ".ghcup/env", ".deno/env", ".local/bin/env",
     "miniconda3/etc/profile.d/conda.sh", "anaconda3/etc/profile.d/conda.sh"}
)  # fmt: skip


def sourced(shell: Shell, frame: Frame, word: Word) -> Stream:
    """``source file``: the file's commands run in this very shell."""
    written = shell.files.get(shell.absolute(word.text, frame)) or shell.files.get(word.text) if word.known else None
    if written is not None:
        marks_origin(shell, frame, written.origin, word.text, "source")
        if written.text is not None:
            return shell.script(written.text, frame, UNREAD, via="source")
    place, real, inside = script_place(shell, frame, word)
    if shell.ledger.paths.locate(word.text, frame.cwd, glob=word.glob).place in ("env-file", "credentials"):
        try:
            return _sourced(shell, frame, word, place, real, inside)
        finally:
            variables.load(frame)
    return _sourced(shell, frame, word, place, real, inside)


def _sourced(shell: Shell, frame: Frame, word: Word, place: str, real: str, inside: bool) -> Stream:
    low = word.text.lower()
    if word.known and real.startswith(shell.home + "/") and real[len(shell.home) + 1 :] in _STARTED:
        shell.path("read", word, frame, via="source")
        return UNREAD
    if low.endswith(("/activate", "/activate.fish", "/activate.csh")) and place == "workspace":
        return UNREAD  # a virtual environment: sets PATH and a prompt
    shell.ledger.effect(
        "execute",
        "code",
        word.text,
        place=place,
        real=real,
        inside=inside,
        via="source",
        traits=frame.traits,
        certain=frame.certain and word.known,
    )
    if place != "workspace":
        at = shell.path("read", word, frame, via="source")
        if (
            at not in ("shell-startup", "home", "dotfile", "system", "temp", "outside")
            or at == "temp"
            or not word.known
        ):
            shell.ledger.opaque("sourced-code", word.text, "source")
    content = read_small(real) if place == "workspace" else None
    return shell.script(content, frame, UNREAD, via="source") if content is not None else UNREAD


def read_small(path: str) -> str | None:
    """The text of a small regular file, None for anything else; never blocks and never raises."""
    if not path:
        return None
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE:
            return None
        data = os.read(handle, MAX_FILE)
    except OSError:
        return None
    finally:
        os.close(handle)
    return None if b"\0" in data else data.decode("utf-8", "replace")


def _language(name: str, content: str) -> str:
    first = content.split("\n", 1)[0]
    if first[:2] == "#!":
        program = first.split("/")[-1].split()
        tool = program[1] if program[:1] == ["env"] and len(program) > 1 else program[0] if program else ""
        tool = tool.rstrip("0123456789.")
        return "sh" if tool in _SHELLS else tool
    return _SUFFIX.get(os.path.splitext(name)[1].lower(), "sh")


def sql(shell: Shell, frame: Frame, word: Word, via: str, *, from_file: bool) -> None:
    from hitl_opa.facts.sql import read_sql

    text: str | None = word.text
    if from_file:
        stream = shell.read(word, frame, via=via)
        text = stream.text
        if text is None:
            shell.ledger.opaque("sql-command", word.text, via)
            shell.ledger.effect("execute", "database", word.text, via=via, traits=frame.traits)
            return
    read_sql(
        shell.ledger,
        text or "",
        via=via,
        traits=frame.traits,
        certain=frame.certain,
        shell=lambda command: shell.script(command, frame.within(via), via=via),
    )
