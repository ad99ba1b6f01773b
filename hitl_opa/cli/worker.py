"""``hitl-opa worker``: does what follows from approvals, wherever it runs."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hitl_opa.cli.options import config_option
from hitl_opa.cli.output import emit, say
from hitl_opa.cli.resuming import resuming
from hitl_opa.config import Config, load_config
from hitl_opa.guard.opening import known, open_approvals, open_audit, open_engine
from hitl_opa.terminal.text import Span, spans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hitl_opa.approvals.approvals import Approvals
    from hitl_opa.approvals.duty import Duty
    from hitl_opa.approvals.job import Handler, Job
    from hitl_opa.approvals.worker import Step
    from hitl_opa.audit import AuditLog
    from hitl_opa.notify.delivery import Told

_OVERSEES = 60.0  # seconds from one look at levels and alarms to the next
_PLANTS = 5.0  # seconds from one look whether to plant a request to the next
_SHORT = 8  # characters of an id


@click.command()
@click.option("--once", is_flag=True, help="Do what there is to do now, and end.")
@click.option(
    "--resume",
    metavar="FILE.py:FUNCTION",
    help="Go on with Claude sessions too: the function returns a session's ClaudeAgentOptions, by its id.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each thing done.")
@config_option
def worker(once: bool, resume: str | None, as_json: bool, config: Path | None) -> None:
    """See to the clocks of approvals, tell people of them, and go on with sessions, until interrupted.

    Each minute it puts in force what tools have earned and lost, and raises the alarm where numbers are out of bounds.

    \b
    hitl-opa worker          beside `hitl-opa serve`, on any machine that reaches the database; more than one is fine
    hitl-opa worker --once   for cron: also what would still wait for others of its burst
    hitl-opa worker --resume agent.py:options
    """
    settings = load_config(config)
    asyncio.run(_work(settings, once=once, resume=resume, says=_Says(as_json)))


async def _work(config: Config, *, once: bool, resume: str | None, says: _Says) -> None:
    from hitl_opa.approvals.job import NOTIFY, RESUME
    from hitl_opa.approvals.worker import Worker

    with open_audit(config) as audit, resuming(config, resume) as resumer:
        approvals = open_approvals(config, audit)
        handlers: dict[str, Handler] = {NOTIFY: _nobody}
        if resumer is not None:
            handlers[RESUME] = resumer
        delivery = notifier = None
        if config.notify is not None:
            from hitl_opa.notify.notifier import Notifier
            from hitl_opa.notify.opening import open_delivery

            delivery = open_delivery(config, approvals, told=says.letter)
            notifier = handlers[NOTIFY] = Notifier(delivery, told=says.problem)
        does = Worker(approvals.store, approvals, handlers, told=says.step)
        duties = _duties(config, audit, approvals, says)
        if once:
            for duty in duties:
                await duty.once()
            await does.once()
            if delivery is not None:
                await delivery.once(window=0)
            return
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        parts = ["clocks", *(["notifications"] if notifier else []), *(["sessions"] if resumer else [])]
        says.started(" and ".join([", ".join(parts[:-1]), parts[-1]] if parts[:-1] else parts))
        await asyncio.gather(
            does.run(stop), *([notifier.run(stop)] if notifier else []), *(duty.run(stop) for duty in duties)
        )


def _duties(config: Config, audit: AuditLog, approvals: Approvals, says: _Says) -> list[Duty]:
    """What is done now and then."""
    from hitl_opa.approvals.duty import Duty
    from hitl_opa.approvals.overseer import Overseer

    overseer = Overseer(approvals.store, config)
    alarms = None
    if config.notify is not None:
        from hitl_opa.notify.alarms import Alarms

        alarms = Alarms(overseer, audit, config.notify, config.root, told=says.letter)

    def oversee() -> Iterator[Step]:
        yield from overseer.once(time.time())
        if alarms is not None:
            asyncio.run(alarms.once())

    duties = [Duty("oversight", _OVERSEES, oversee, told=says.step)]
    if config.canaries is not None:
        from hitl_opa.guard import Guard
        from hitl_opa.guard.canaries import Planter

        guard = Guard(engine=open_engine(config), audit=audit, config=config, known=known(config), approvals=approvals)
        planter = Planter(guard, approvals, config.canaries)

        def plant() -> list[Step]:
            planter.once()  # and nobody is told which: whoever reviews may see what a worker says
            return []

        duties.append(Duty("canary", _PLANTS, plant, told=says.step))
    return duties


async def _nobody(job: Job) -> None:
    """The settings name nobody to tell."""


class _Says:
    """Prints what was done: lines for people, or JSON."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json

    def started(self, what: str) -> None:
        if not self._json:
            say(f"Sees to {what} of approvals; Ctrl-C ends it.", err=True)

    def step(self, step: Step) -> None:
        if step.kind == "notify" and step.status == "done":
            return  # it was noted that something changed; what came of it is said by `letter`
        if self._json:
            emit(step)
        elif step.kind in ("alarm", "autonomy") and step.error:
            style = "danger" if step.status == "began" else ""
            say(Span(f"{step.kind:10}", style), *spans(f"{step.status}: " * (step.kind == "alarm") + step.error))
        elif step.kind == "clock":
            say("clocks    ", f"{step.count} approvals expired, lapsed or were escalated")
        else:
            about = f"{step.approval[:_SHORT]} {step.status}" if step.approval else step.status
            say(f"{step.kind:10}", *spans(about), *spans(f": {step.error}" if step.error else ""))

    def letter(self, told: Told) -> None:
        if self._json:
            about = {"channel": told.channel, "for": told.audience, "title": told.title, "problem": told.problem}
            emit({"kind": "letter", **about})
            return
        to = f"{told.channel}, {told.audience}" if told.audience else told.channel
        if told.problem:
            say(Span("not sent  ", "danger"), *spans(f"{to}: {told.problem}"))
        else:
            say(Span("sent      ", "green"), *spans(f"{to}: {told.title}"))

    def problem(self, words: str) -> None:
        emit({"kind": "database", "error": words}) if self._json else say(Span("waits     ", "yellow"), *spans(words))
