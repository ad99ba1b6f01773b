"""``hitl-opa jobs``: what follows from approvals and is not done yet, or was given up."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hitl_opa.cli.approvals import opened
from hitl_opa.cli.options import options
from hitl_opa.cli.output import emit, say, table
from hitl_opa.cli.telling_approvals import SHORT, time
from hitl_opa.errors import ApprovalError
from hitl_opa.terminal.text import Span, spans

if TYPE_CHECKING:
    from hitl_opa.approvals.job import Job
    from hitl_opa.approvals.outbox import Outbox


@click.group(short_help="What follows from approvals and is not done yet.")
def jobs() -> None:
    """Jobs of `hitl-opa worker`: somebody has to be told (notify), a session can go on (resume).

    \b
    hitl-opa jobs list           what waits, what fails, and what was given up
    hitl-opa jobs retry          have what was given up done again
    hitl-opa jobs retry 3f2a     that of one approval, what fails too
    """


@jobs.command("list")
@options
def list_(as_json: bool, config: Path | None) -> None:
    """What is to be done, what was given up first. Exit code 1 where something was."""
    with _outbox(config) as outbox:
        found = outbox.jobs()
    if as_json:
        emit(found)
    elif not found:
        say("There is nothing to do.")
    else:
        rows = [[job.approval[:SHORT], job.kind, _state(job), str(job.failures)] for job in found]
        table(["approval", "job", "", "failures"], rows)
        for job in found:
            if job.error:
                say(Span(f"{job.approval[:SHORT]} {job.kind}: ", "dim"), *spans(job.error))
    sys.exit(1 if any(job.dead for job in found) else 0)


@jobs.command()
@click.argument("which", metavar="[ID]", default="")
@options
def retry(which: str, as_json: bool, config: Path | None) -> None:
    """Have what was given up done as soon as a worker can. ID: of this approval only; its first characters do."""
    with _outbox(config) as outbox:
        found = [job for job in outbox.jobs() if job.approval.startswith(which) and (job.dead or (which and job.error))]
        if which and not found:
            raise ApprovalError(f"no job of an approval {which!r} has failed")
        count = sum(outbox.retry(job.kind, job.approval) for job in found)
    emit({"retried": count}) if as_json else say(f"{count} to be done again.")


@contextmanager
def _outbox(config: Path | None) -> Iterator[Outbox]:
    from hitl_opa.approvals.outbox import Outbox

    with opened(config) as book:
        yield Outbox(book.store)


def _state(job: Job) -> str:
    if job.dead:
        return "given up"
    return f"again at {time(job.run_at)}" if job.failures else "waits for a worker"
