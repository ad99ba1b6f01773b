"""``hitl-opa notify``: try the channels that tell people of approvals."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hitl_opa.channels import Email
from hitl_opa.cli.options import options
from hitl_opa.cli.output import emit, say, table, working
from hitl_opa.config import load_config
from hitl_opa.errors import ConfigError, HitlError
from hitl_opa.guard.opening import open_audit
from hitl_opa.terminal.text import Span, spans

if TYPE_CHECKING:
    from hitl_opa.approvals.letter import Letter
    from hitl_opa.approvals.letters import Letters
    from hitl_opa.notify.transports import Transports


@click.group(short_help="Try the channels that tell people of approvals.")
def notify() -> None:
    """Slack, mail, webhooks and whatever else the part `notify` of hitl.yaml names.

    \b
    hitl-opa notify test ops     a message to the channel ops, and what came of it
    hitl-opa notify status       messages that did not arrive, and when they are tried again
    hitl-opa notify retry        try them again now
    """


@notify.command()
@click.argument("channel")
@options
def test(channel: str, as_json: bool, config: Path | None) -> None:
    """Send a test message to a channel, and say what happened. Exit code 1 where it did not arrive."""
    from hitl_opa.notify.transports import Transports

    settings = load_config(config)
    if settings.notify is None:
        raise ConfigError("hitl.yaml has no part `notify`: docs/notifications.md shows one")
    transports = Transports(settings.notify, settings.root)
    there = settings.notify.channel(channel)
    audiences = transports.recipients(there) if isinstance(there, Email) else [""]
    if not audiences:
        raise ConfigError(f"channel {channel!r} writes to nobody: notify.people has no mail address")
    with working(f"sending to {channel}"):
        results = asyncio.run(_tried(transports, channel, audiences))
    if as_json:
        emit({"channel": channel, "type": _type(there), "results": results})
    else:
        for result in results:
            _tell(channel, result)
    sys.exit(0 if all(result["sent"] for result in results) else 1)


@notify.command()
@options
def status(as_json: bool, config: Path | None) -> None:
    """Messages that did not arrive: why, and when they are tried again. Exit code 1 where there are any."""
    from hitl_opa.approvals.letters import GIVEN_UP

    with _letters(config) as letters:
        found = letters.failing()
    if as_json:
        emit(found)
    elif not found:
        say("Every message arrived.")
    else:
        rows = [
            [one.channel, one.audience or "everybody", str(len(one.approvals)), str(one.attempts), _next(one)]
            for one in found
        ]
        table(["channel", "for", "approvals", "tries", "next"], rows)
        for letter in found:
            say(Span(f"{letter.channel}: ", "dim"), *spans(letter.problem))
        if any(letter.attempts >= GIVEN_UP for letter in found):
            say("Given up: `hitl-opa notify retry` tries again.")
    sys.exit(1 if found else 0)


@notify.command()
@options
def retry(as_json: bool, config: Path | None) -> None:
    """Have what did not arrive tried again now, what was given up too."""
    with _letters(config) as letters:
        count = letters.retry()
    emit({"retried": count}) if as_json else say(f"{count} to be tried again.")


@contextmanager
def _letters(config: Path | None) -> Iterator[Letters]:
    from hitl_opa.approvals.letters import Letters
    from hitl_opa.approvals.store import Store

    settings = load_config(config)
    if settings.notify is None or not settings.durable:
        raise ConfigError("nobody is told of approvals: hitl.yaml needs `durable: true` and the part `notify`")
    with open_audit(settings) as audit:
        yield Letters(Store(audit))


def _next(letter: Letter) -> str:
    from hitl_opa.approvals.letters import GIVEN_UP

    if letter.attempts >= GIVEN_UP:
        return "given up"
    return f"{datetime.fromtimestamp(letter.next_at, UTC):%Y-%m-%d %H:%M:%S}Z"


async def _tried(transports: Transports, channel: str, audiences: list[str]) -> list[dict[str, Any]]:
    from hitl_opa.notify.message import notice

    results = []
    for audience in audiences:
        message = notice(f"test-{uuid.uuid4()}", "hitl-opa can reach you here", transports.settings.base_url)
        result: dict[str, Any] = {"to": audience, "sent": True, "problem": "", "reference": {}}
        try:
            result["reference"] = await transports.to(channel, audience).send(message, None)
        except HitlError as error:
            result.update(sent=False, problem=str(error))
        results.append(result)
    return results


def _tell(channel: str, result: dict[str, Any]) -> None:
    to = f"{channel}, {result['to']}" if result["to"] else channel
    if result["sent"]:
        about = "  ".join(f"{name} {value}" for name, value in sorted(result["reference"].items()))
        say(Span("sent", "green"), "      ", *spans(to), *spans(f"  {about}", "dim"))
    else:
        say(Span("not sent", "danger"), "  ", *spans(f"{to}: {result['problem']}"))


def _type(channel: Any) -> str:
    return str(channel.__struct_config__.tag)
