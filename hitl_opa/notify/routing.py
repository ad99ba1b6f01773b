"""Who is told of an approval, where."""

from __future__ import annotations

from typing import NamedTuple

from hitl_opa.approvals import Approval, Person
from hitl_opa.channels import Channel, Email
from hitl_opa.notify.decider import Directory
from hitl_opa.notify.transports import Transports


class Address(NamedTuple):
    """One reader of one channel, whose messages are grouped. ``audience``: an account for mail, else groups."""

    channel: str
    audience: str


def addresses(approval: Approval, transports: Transports, directory: Directory) -> list[Address]:
    """Where to tell of this approval: the channels that policy names, for the step of escalation it has come to or at
    all; else, and where the settings have none of them, those whose ``risks`` and ``groups`` fit."""
    channels, terms = transports.settings.channels, approval.terms
    step = terms.escalation[approval.escalated - 1].channel if approval.escalated else ""
    named = [step] if step else terms.channels
    chosen = [c for c in channels if c.name in named] or [c for c in channels if _fits(c, approval)]
    return [address for channel in chosen for address in _readers(channel, approval, transports, directory)]


def _fits(channel: Channel, approval: Approval) -> bool:
    groups = set(channel.groups)
    return (not channel.risks or approval.risk in channel.risks) and (
        not groups or bool(groups & _may_decide(approval))
    )


def _may_decide(approval: Approval) -> set[str]:
    """Logins and groups that policy names, since the escalation too; none where anybody may."""
    return {*approval.terms.approvers, *approval.escalated_to}


def _readers(channel: Channel, approval: Approval, transports: Transports, directory: Directory) -> list[Address]:
    if not isinstance(channel, Email):
        return [Address(channel.name, ",".join(sorted(_may_decide(approval))))]
    people = (directory.person(account, "link") for account in transports.recipients(channel))
    return [Address(channel.name, person.name) for person in people if person and _may(person, approval)]


def _may(person: Person, approval: Approval) -> bool:
    """Whether it is worth writing to them; whether they may decide is for policy to say, when they do."""
    if person.name == approval.principal or person.roles <= {"viewer"}:
        return False
    approvers = _may_decide(approval) if approval.terms.approvers else set()
    return not approvers or person.name in approvers or bool(approvers & person.groups)
