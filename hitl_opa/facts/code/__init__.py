"""Inline code of other languages: what it plainly does, and opaque ``inline-code`` for the rest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.frame import UNREAD, Frame, Stream
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

MAX_CODE = 65_536
_ACTION = re.compile(r"\b(?:execute[\w-]*|become|reload[\w-]*|preview|change-preview|transform[\w-]*)[(\[{:~]([^\n]*)")


def read_code(
    shell: Shell, frame: Frame, language: str, word: Word, stdin: Stream, via: str, *, script: bool = False
) -> Stream:
    """Effects of code in ``language``. ``script``: a file of the workspace."""
    if len(word.text) > MAX_CODE:
        shell.ledger.opaque("too-large", f"{len(word.text)} characters of {language}", via)
        return UNREAD
    if word.text.strip(UNKNOWN + " \n") == "" and word.text.strip():
        kind = "piped-code" if "remote" in word.origin else "dynamic-code"
        shell.ledger.opaque(kind, word.text, via)
        shell.ledger.effect("execute", "code", "", place="unknown", via=via, traits=frame.traits, certain=frame.certain)
        return UNREAD
    shell.ledger.text(word.text)
    if language == "python":
        from hitl_opa.facts.code.python import read_python

        return read_python(shell, frame, word, stdin, via, script=script)
    if language == "awk":
        from hitl_opa.facts.code.awk import read_awk

        read_awk(shell, frame, word)
        return UNREAD
    if language == "editor":
        from hitl_opa.facts.code.editor import read_editor

        read_editor(shell, frame, word, via)
        return UNREAD
    if language == "gdb":
        from hitl_opa.facts.code.gdb import read_gdb

        read_gdb(shell, frame, word, via)
        return UNREAD
    if language == "fzf":  # keys and actions, of which some run a command
        for command in _ACTION.findall(word.text):
            known = re.sub(r"\{[^{}\s]*\}", UNKNOWN, command)  # what stands for the line that is chosen
            known = re.sub(r"[)\]}](?:[+,].*)?\Z", "", known)
            shell.script(known.replace(UNKNOWN, "${__}"), frame, UNREAD, via=via)
        return UNREAD
    if language == "dc":  # a calculator, but for what stands behind "!"
        for command in re.findall(r"!(?![<>=])([^\n]+)", word.text):
            shell.script(command, frame, UNREAD, via=via)
        return UNREAD
    if language == "powershell":
        from hitl_opa.facts.code.powershell import read_powershell

        return read_powershell(shell, frame, word, via)
    if re.match(r"\s*[a-z][\w./-]* -[^(){}=;'\"`]*\Z", word.text):  # a shell command handed to the wrong interpreter
        shell.script(word.text.replace(UNKNOWN, "${__}"), frame, UNREAD, via=via)
    from hitl_opa.facts.code.calls import read_calls

    return read_calls(shell, frame, language, word, stdin, via)
