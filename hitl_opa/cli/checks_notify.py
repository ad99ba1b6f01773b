"""What ``hitl-opa doctor`` says of notifications (whether each channel could be used, who is told) and of jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hitl_opa.channels import Email
from hitl_opa.cli.checks import Check
from hitl_opa.config import Config
from hitl_opa.errors import HitlError


def notifications(config: Config) -> Iterator[Check]:
    """Nothing where the settings have no channels; no message is sent."""
    if config.notify is None:
        return
    if not config.durable:
        detail = "there are channels, and no approvals are kept that people could be told of"
        yield Check(name="notify", status="warn", detail=detail, remedy="set durable: true in hitl.yaml")
        return
    from hitl_opa.notify.transports import Transports

    transports = Transports(config.notify, config.root)
    for channel in config.notify.channels:
        readers = transports.recipients(channel) if isinstance(channel, Email) else [""]
        try:
            transports.check_inbound()
            for reader in readers:
                transports.to(channel.name, reader)
        except HitlError as error:
            yield Check(name="notify", status="fail", detail=f"{channel.name}: {error}", remedy="docs/notifications.md")
        else:
            told = f", to {len(readers)} people" if isinstance(channel, Email) else ""
            remedy = f"hitl-opa notify test {channel.name} sends something"
            yield Check(name="notify", status="ok", detail=f"{channel.name} is set up{told}", remedy=remedy)
    if config.database or Path(config.record).exists():
        yield from _kept(config)


def jobs(config: Config) -> Iterator[Check]:
    """Nothing where every job that follows from approvals was done, or is tried again by itself."""
    if not config.durable or not (config.database or Path(config.record).exists()):
        return
    from hitl_opa.approvals.outbox import Outbox
    from hitl_opa.guard.opening import open_approvals, open_audit

    try:
        with open_audit(config) as audit:
            dead = sum(job.dead for job in Outbox(open_approvals(config, audit).store).jobs())
    except HitlError as error:
        yield Check(name="jobs", status="fail", detail=str(error), remedy="hitl-opa jobs list")
        return
    if dead:
        yield Check(name="jobs", status="warn", detail=f"{dead} were given up", remedy="hitl-opa jobs list says why")


def _kept(config: Config) -> Iterator[Check]:
    """What the database says: people without an account, messages that did not arrive."""
    from hitl_opa.approvals.accounts import Accounts
    from hitl_opa.approvals.letters import Letters
    from hitl_opa.guard.opening import open_approvals, open_audit

    assert config.notify is not None
    try:
        with open_audit(config) as audit:
            store = open_approvals(config, audit).store
            known = {account.name for account in Accounts(store).listed()}
            failing = len(Letters(store).failing())
    except HitlError as error:
        yield Check(name="notify", status="fail", detail=str(error), remedy="hitl-opa notify status")
        return
    unknown = sorted(contact.account for contact in config.notify.people if contact.account not in known)
    if unknown:
        detail = f"no account, and so no word on approvals: {', '.join(unknown)}"
        yield Check(name="notify", status="warn", detail=detail, remedy="hitl-opa users add NAME")
    if failing:
        detail = f"{failing} messages did not arrive"
        yield Check(name="notify", status="warn", detail=detail, remedy="hitl-opa notify status says why")
