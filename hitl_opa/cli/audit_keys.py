"""``hitl-opa audit key`` and ``checkpoint``: who vouches for the record, and how far."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from hitl_opa.audit import Damage, Event, Kind
from hitl_opa.cli.output import emit, say, working
from hitl_opa.cli.record import open_to_write, place, trust
from hitl_opa.config import Checkpoints, Config, load_config
from hitl_opa.database import MEMORY
from hitl_opa.errors import ConfigError
from hitl_opa.guard.opening import open_audit
from hitl_opa.terminal.text import Span, spans


@click.group(short_help="Make, list and rotate the keys that sign the record.")
def key() -> None:
    """The Ed25519 keys that sign checkpoints of the record.

    Whoever has the private key can vouch for another record: keep it where agents cannot read it, and
    give the public keys (`audit key list`) to who checks the record.
    """


@key.command()
@click.option("--name", help="What the log is called in its checkpoints.  [default: hitl-opa/HOST]")
@place
def new(name: str | None, as_json: bool, **place: Any) -> None:
    """Make the file of keys, readable by you only, with a first key in it."""
    from hitl_opa.audit.keys import Keys

    settings, path = _settings(place)
    made = Keys.new(path, name or f"hitl-opa/{platform.node() or 'localhost'}")
    (public,) = made.verifiers()
    if as_json:
        emit({"file": str(path), "public": str(public)})
        return
    say(Span("made", "green"), f"  {path}")
    say(f"{public}", indent=2)
    if settings.checkpoints is None:
        say("The record is signed once hitl.yaml says so:")
        click.echo("checkpoints: {}")


@key.command(name="list")
@place
def list_keys(as_json: bool, **place: Any) -> None:
    """The public keys, newest first: what `audit verify --key` reads."""
    from hitl_opa.audit.keys import Keys

    _, path = _settings(place)
    now = datetime.now(UTC)
    for one in Keys.load(path).keys:
        if as_json:
            until = one.signs_until.isoformat() if one.signs_until else ""
            emit({"public": one.public, "created": one.created.isoformat(), "until": until, "signs": one.signs(now)})
            continue
        until = f", signed until {one.signs_until:%Y-%m-%d}" if one.signs_until else ""
        click.echo(f"# {'signs' if one.signs(now) else 'only verifies'}, made {one.created:%Y-%m-%d}{until}")
        click.echo(one.public)


@key.command()
@click.option(
    "--overlap", default=30, show_default=True, type=click.IntRange(0), help="Days that the last key signs on."
)
@place
def rotate(overlap: int, as_json: bool, **place: Any) -> None:
    """Make a new key; the last one signs beside it for a while, and verifies for good.

    Guards that are running take the new key when they start again.
    """
    from hitl_opa.audit.keys import Keys

    settings, path = _settings(place)
    rotated = Keys.load(path).rotate(timedelta(days=overlap))
    newest = rotated.verifiers()[0]
    if (
        settings.checkpoints is not None
        and settings.record != MEMORY
        and (settings.database or Path(settings.record).exists())
    ):
        with open_audit(settings) as log:  # signed, on closing, by the last key and the new one
            log.append(Event(kind=Kind.NOTE, extra={"audit_key": str(newest), "overlap_days": overlap}))
    if as_json:
        emit({"file": str(path), "public": str(newest)})
    else:
        say(Span("rotated", "green"), f"  {path}")
        say(f"{newest}", indent=2)


@click.command()
@place
def checkpoint(as_json: bool, **place: Any) -> None:
    """Check the record, sign for all of it, and hand what was signed to the anchors.

    For a task that runs every minute under an account of its own: agents cannot read its key, and what
    a killed process left unsigned is signed for. Nothing is signed of a stream that was changed. Exit
    code 1 if anything was.
    """
    with open_to_write(**place) as log:
        if log.notary is None:
            raise ConfigError("these settings sign nothing: set `checkpoints: {}` in hitl.yaml")
        with working("Checking the record"):
            report = trust(place["config"]).verify(log)
        changed = {problem.stream for problem in report.problems if problem.damage is not Damage.ANCHOR}
        heads = [] if "" in changed else [h for h in report.streams if h.signed < h.size and h.stream not in changed]
        signed = log.notarise(heads)
        anchored = log.notary.publish(log)
    if as_json:
        emit({"signed": signed, "anchored": anchored, "problems": [str(p) for p in report.problems]})
    else:
        say(Span("signed", "green"), f"  {signed} stream(s), {anchored} checkpoint(s) handed to anchors")
        for problem in report.problems:
            say(Span("! ", "danger"), *spans(str(problem)), indent=2)
    if report.problems:
        sys.exit(1)


def _settings(place: dict[str, Any]) -> tuple[Config, Path]:
    settings = load_config(place["config"])
    return settings, settings.path((settings.checkpoints or Checkpoints()).keys)
