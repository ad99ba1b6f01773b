"""What commands on the record share: where it is, which part of it is meant, what vouches for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hitl_opa.audit import AuditLog, Filter
from hitl_opa.cli.options import config_option, json_option
from hitl_opa.config import Config, load_config
from hitl_opa.database import MEMORY, is_postgres
from hitl_opa.errors import AuditError, ConfigError
from hitl_opa.guard.opening import open_anchors, open_audit, open_trust

if TYPE_CHECKING:
    from hitl_opa.audit.anchors import Anchor
    from hitl_opa.audit.notes import Verifier
    from hitl_opa.audit.trust import Trust

F = TypeVar("F", bound=Callable[..., Any])

KINDS = ["decision", "review", "approval", "outcome", "permission_request", "erasure", "note"]
TIME = "2026-01-31 or 2026-01-31T12:00:00Z"


def place(command: F) -> F:
    """``--json``, ``--db`` and ``--config``."""
    for option in (
        json_option,
        click.option("--db", metavar="FILE|URL", help="The record's database.  [default: the settings']"),
        config_option,
    ):
        command = option(command)
    return command


def filters(command: F) -> F:
    """The options that `chosen` makes a `Filter` of."""
    for option in reversed(
        (
            click.option("--kind", type=click.Choice(KINDS), help="Only records of this kind."),
            click.option("--verdict", metavar="VERDICT", help="allow, ask, deny; of reviews: approve, reject, edit."),
            click.option("--risk", type=click.Choice(["low", "medium", "high", "critical"])),
            click.option("--tool", help="Only this tool's calls."),
            click.option("--rule", help="Only calls that this rule had something to say about."),
            click.option("--session", help="Only this session's."),
            click.option("--agent", help="Only this agent's."),
            click.option("--principal", help="Only those on behalf of this principal."),
            click.option("--reviewer", help="Only what this reviewer said."),
            click.option("--since", metavar="TIME", help=f"Only from this time on: {TIME}, or 30d ago."),
            click.option("--before", metavar="TIME", help="Only before this time."),
        )
    ):
        command = option(command)
    return command


def chosen(options: dict[str, Any], text: str = "") -> Filter:
    """The filter of the options of `filters`, taken out of ``options``."""
    values = {name: options.pop(name) or "" for name in Filter.__struct_fields__ if name in options}
    for name in ("since", "before"):
        values[name] = moment(values[name], name)
    return Filter(**values, text=text)


def moment(text: str | None, option: str = "since") -> datetime | str:
    """A time as typed, in UTC where it names no zone; ``30d`` is so many days ago."""
    if not text:
        return ""
    try:
        if text.endswith("d") and text[:-1].isdigit():
            return datetime.now(UTC) - timedelta(days=int(text[:-1]))
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ConfigError(f"--{option} {text}: write {TIME}, or 30d for 30 days ago") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def open_record(config: Path | None = None, db: str | None = None) -> AuditLog:
    """The record, to be read. Raises ConfigError or AuditError, which say what to do."""
    if db is None:
        db = _database(load_config(config))
    must_exist(db)
    return AuditLog.open(db, readonly=True)


def open_to_write(config: Path | None = None, db: str | None = None) -> AuditLog:
    """The record, to be changed as the guard would: redacted, and signed where the settings have a key."""
    if db is None:
        settings = load_config(config)
    elif is_postgres(db):
        settings = load_config(config, database=db)
    else:
        settings = load_config(config, audit=str(Path(db).absolute()), database="")
    must_exist(_database(settings))
    return open_audit(settings)


def trust(config: Path | None = None, keys: Sequence[Path] = (), anchors: Sequence[Path] = ()) -> Trust:
    """What the record is held against: ``keys`` (files), ``anchors`` (files, git repositories), or else the settings'.

    Raises ConfigError and AuditError.
    """
    from hitl_opa.audit.trust import Trust

    return Trust(
        _keys(keys) if keys else open_trust(load_config(config)).keys,
        _anchors(anchors) if anchors else open_anchors(load_config(config)),
    )


def _keys(files: Sequence[Path]) -> list[Verifier]:
    from hitl_opa.audit.keys import read_verifiers

    found = []
    for file in files:
        keys = read_verifiers(_read(file).decode(errors="replace"))
        if not keys:  # without keys nothing signed would be looked at, and that must not look like a yes
            raise ConfigError(f"{file} holds no public key")
        found += keys
    return found


def _anchors(places: Sequence[Path]) -> list[Anchor]:
    from hitl_opa.audit.anchors import FileAnchor, GitAnchor

    found: list[Anchor] = []
    for path in places:
        anchor = GitAnchor(path.absolute()) if path.is_dir() else FileAnchor(path.absolute())
        kept = anchor.read()
        if not kept.notes:
            said = f": {kept.problems[0]}" if kept.problems else ": nothing would be held against it"
            raise ConfigError(f"{path} holds no checkpoint{said}")
        found.append(anchor)
    return found


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror or error}") from None


def must_exist(db: str) -> None:
    """Raises AuditError where a file is not there; opening a server's database says that by itself."""
    if not is_postgres(db) and not Path(db).exists():
        raise AuditError(f"{db}: there is no record yet; it starts with the first call that a guard decides")


def _database(settings: Config) -> str:
    if settings.record == MEMORY:
        raise ConfigError("these settings keep the record in memory only (audit: ':memory:'); there is no file")
    return settings.record
