"""``hitl-opa init``: settings and a first rule with its test, for a project that has none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from hitl_opa.cli.output import emit, heading, say, table
from hitl_opa.cli.settings import LEVELS
from hitl_opa.errors import ConfigError
from hitl_opa.terminal.text import Span

if TYPE_CHECKING:
    from hitl_opa.claude.code.settings import Kind

STARTER = Path(__file__).resolve().parent / "starter"
DEFAULT_LEVEL = 2
_ABOUT = {
    "hitl.yaml": "the settings; every line says what it does",
    "policy/lockfiles.rego": "a first rule of your own",
    "policy/lockfiles_test.rego": "and its test",
    ".hitl/.gitignore": "keeps the record out of git",
}


class Written(NamedTuple):
    """A file and what was done about it: ``wrote``, ``replaced``, ``kept`` or ``unchanged``."""

    path: str
    done: str


@click.command(short_help="Settings and a first rule with its test.")
@click.argument("directory", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--level", default=DEFAULT_LEVEL, show_default=True, type=click.IntRange(1, 4), help="Autonomy level.")
@click.option("--force", is_flag=True, help="Replace files that are there already.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@click.option("--claude-code", is_flag=True, help="Put the guard's hooks into Claude Code's settings.")
@click.option("--command", "kind", flag_value="command", default="command", help="Hooks that ask `hitl-opa serve`.")
@click.option("--http", "kind", flag_value="http", help="The same over HTTP, with an API key.")
@click.option("--alone", "kind", flag_value="alone", help="Hooks that need no server, and are slower.")
@click.option("--url", default="http://127.0.0.1:8282", show_default=True, help="Where the server is, for --http.")
@click.option("--settings", type=click.Path(path_type=Path), help="Which file.  [default: .claude/settings.json]")
@click.option("--remove", is_flag=True, help="Take the hooks out of Claude Code's settings again.")
@click.option("--yes", is_flag=True, help="Write Claude Code's settings without asking back.")
def init(
    directory: Path,
    level: int,
    force: bool,
    as_json: bool,
    claude_code: bool,
    kind: Kind,
    url: str,
    settings: Path | None,
    remove: bool,
    yes: bool,
) -> None:
    """Set up a project: a commented hitl.yaml, and a first rule with its test.

    \b
    hitl-opa init                  here, at level 2
    hitl-opa init app --level 1    there; the agent asks for everything
    hitl-opa init --claude-code    Claude Code's every call here passes the guard (shows the change, asks back)
    hitl-opa init --claude-code --remove

    Files that are there are kept; --force replaces them. Running it again does no harm.
    """
    if claude_code:
        from hitl_opa.cli.claude_code import unwire, wire

        root = directory.resolve()
        if remove:
            unwire(root, settings=settings, yes=yes, as_json=as_json)
            return
        if not (root / "hitl.yaml").exists():
            write(directory, level)
        wire(root, kind, settings=settings, url=url, yes=yes, as_json=as_json)
        return
    if remove:
        raise click.UsageError("--remove is for --claude-code")
    written = write(directory, level, force=force)
    if as_json:
        emit({"directory": str(directory), "level": level, "files": [w._asdict() for w in written]})
        return
    styles = {"wrote": "green", "replaced": "yellow", "kept": "yellow", "unchanged": "dim"}
    table(["", "", ""], [([Span(w.done, styles[w.done])], w.path, _ABOUT[w.path]) for w in written], shrink=2)
    if any(w.done == "kept" for w in written):
        say("Files that were there are kept as they are; --force replaces them.")
    kept = any(w == Written("hitl.yaml", "kept") for w in written)
    if not kept:
        heading(f"Autonomy level {level}")
        say(LEVELS[level], indent=2)
    heading("Next")
    start = "" if directory == Path() else f"cd {directory} && "
    steps = (
        (f"{start}hitl-opa policy test", "your rule's test"),
        ("hitl-opa decide Write file_path=uv.lock", "what policy makes of a call"),
        ("hitl-opa explain Bash command='git push'", "and why, and what would change it"),
        ("hitl-opa doctor", "whether everything is in place"),
    )
    table(["", ""], [(command, [Span(what, "dim")]) for command, what in steps], indent=2)
    heading("In Python")
    say("from hitl_opa import Guard, TerminalReviewer", indent=2)
    say("options = Guard.open().protect(options, reviewer=TerminalReviewer())", indent=2)


def write(directory: Path, level: int = DEFAULT_LEVEL, *, force: bool = False) -> list[Written]:
    """Write the starter files below ``directory``. Raises ConfigError where one cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".hitl").mkdir(mode=0o700, exist_ok=True)
        return [_write(directory, name, text, force=force) for name, text in _texts(level).items()]
    except OSError as error:
        raise ConfigError(f"{error.filename or directory}: cannot be written: {error.strerror}") from None


def _texts(level: int) -> dict[str, str]:
    texts = {name: (STARTER / name).read_text(encoding="utf-8") for name in _ABOUT if (STARTER / name).exists()}
    texts["hitl.yaml"] = texts["hitl.yaml"].replace(f"\nlevel: {DEFAULT_LEVEL}\n", f"\nlevel: {level}\n")
    return {**texts, ".hitl/.gitignore": "*\n"}


def _write(directory: Path, name: str, text: str, *, force: bool) -> Written:
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if path.read_bytes() == text.encode():
            return Written(name, "unchanged")
        if not force:
            return Written(name, "kept")
        path.write_text(text, encoding="utf-8")
        return Written(name, "replaced")
    return Written(name, "wrote")
