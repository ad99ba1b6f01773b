"""Copies: the names that they get, and what is known of their content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.argv import Invocation

_TELLING = frozenset({"guard", "ci", "git-hooks", "credentials", "env-file", "package-config", "shell-startup"})


def landing(call: Invocation) -> None:
    """``cp a/x .`` writes ``./x``, whose name may say more than the folder's."""
    operands, paths = call.reading.operands, call.shell.ledger.paths
    if len(operands) < 2 or not call.reading.level.last:
        return
    target = operands[-1].text
    if target.rsplit("/", 1)[-1] not in ("", ".", "..") and target not in (paths.workspace, call.frame.cwd):
        return
    for word in operands[:-1][:64]:
        name = word.text.rstrip("/").rsplit("/", 1)[-1]
        landed = Word(f"{target.rstrip('/')}/{name}", word.glob, word.origin)
        if word.known and name and paths.locate(landed.text, call.frame.cwd).place in _TELLING:
            call.shell.path("write", landed, call.frame, via=call.via, traits=("overwrite",))


def copied(call: Invocation) -> None:
    """What this call wrote is known under the name of its copy too."""
    source, target = call.reading.operands
    known = call.shell.files.get(call.shell.absolute(source.text, call.frame)) if source.known else None
    if known is not None and target.known:
        call.shell.wrote(target.text, call.frame, known)
