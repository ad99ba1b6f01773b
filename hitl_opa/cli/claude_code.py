"""``hitl-opa init --claude-code``: the guard's hooks in Claude Code's settings, and out of them again."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from hitl_opa.claude.code.settings import KEY, Kind, dump, hooks, longest, merged, parse, without
from hitl_opa.cli.output import emit, heading, say, whole
from hitl_opa.config import load_config
from hitl_opa.errors import ConfigError
from hitl_opa.guard.opening import SOCKET
from hitl_opa.terminal.text import Span, spans

SETTINGS = ".claude/settings.json"
BEFORE = ".hitl/claude-settings.before"
"""The settings file as it was, so that it can be put back byte by byte."""


def wire(root: Path, kind: Kind, *, settings: Path | None, url: str, yes: bool, as_json: bool) -> None:
    """Merge the hooks in, after showing what changes. Raises ConfigError."""
    file = settings or root / SETTINGS
    config = load_config(root / "hitl.yaml")
    ours = hooks(kind, seconds=longest(config), root=root, socket=config.path(SOCKET), url=url)
    old = _read(file)
    before = _settings(file, old)
    new = merged(before, ours)
    if new == before:
        _said(file, "unchanged", as_json)
        return
    text = dump(new, old or "")
    if not _agreed(file, old or "", text, yes=yes, as_json=as_json):
        return
    kept = root / BEFORE
    if old is not None and without(before) == before:  # the first time: what is there is the user's alone
        _write(kept, old)
    _write(file, text)
    _said(file, "wrote", as_json)
    if not as_json:
        heading("Next")
        for line in _next(kind, root):
            say(*spans(line), indent=2)


def unwire(root: Path, *, settings: Path | None, yes: bool, as_json: bool) -> None:
    """Take the hooks out again; a file that nobody else changed meanwhile is as it was, byte by byte."""
    file = settings or root / SETTINGS
    old = _read(file)
    before = _settings(file, old)
    new = without(before)
    if old is None or new == before:
        _said(file, "unchanged", as_json)
        return
    kept = _read(root / BEFORE)
    as_it_was = kept is not None and {"hooks": {}, **_settings(root / BEFORE, kept)} == {"hooks": {}, **new}
    text = (kept or "") if as_it_was else dump(new, old)
    gone = not new and not as_it_was
    if not _agreed(file, old, "" if gone else text, yes=yes, as_json=as_json):
        return
    if gone:
        file.unlink()
        if not any(file.parent.iterdir()):
            file.parent.rmdir()
    else:
        _write(file, text)
    (root / BEFORE).unlink(missing_ok=True)
    _said(file, "removed" if gone else "wrote", as_json)


def _next(kind: Kind, root: Path) -> list[str]:
    if kind == "alone":
        return [
            "claude    each call takes a process of its own, about half a second; `--command` with a server is quicker"
        ]
    lines = [f"cd {root} && hitl-opa serve    as long as it does not run, every call is blocked"]
    if kind == "http":
        lines += [f"hitl-opa keys new claude-code --principal NAME    a key for {KEY} in Claude Code's environment"]
    return [*lines, "claude"]


def _agreed(file: Path, old: str, new: str, *, yes: bool, as_json: bool) -> bool:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), f"{file} (now)", f"{file} (then)", lineterm="")
    if not as_json:
        styles = {"+": "green", "-": "red"}
        for line in lines:
            whole(Span(line, styles.get(line[:1], "")))
    return yes or click.confirm("Write this?", err=True)


def _read(file: Path) -> str | None:
    """The text, None where there is no file."""
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from None


def _settings(file: Path, text: str | None) -> dict[str, object]:
    try:
        return parse((text or "").removeprefix("\ufeff"))
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{file}: these are no settings: {error}") from None


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(file.name + ".new")
        fresh.write_bytes(text.encode())
        fresh.replace(file)  # never half a file: Claude Code would ignore it, and the hooks in it
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from None


def _said(file: Path, done: str, as_json: bool) -> None:
    if as_json:
        emit({"file": str(file), "done": done})
        return
    say(Span(done, "green" if done != "unchanged" else "dim"), f"  {file}")
