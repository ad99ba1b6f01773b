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


def addresses(approval: Approval, transports: Transports, directory: Directory, named: frozenset[str]) -> list[Address]:
    """Where to tell of this approval.

    ``named``: the channels that policy names for it, in its obligation or in the step of escalation it has
    come to; without, those whose ``risks`` and ``groups`` fit.
    """
    found = []
    for channel in transports.settings.channels:
        if channel.name in named if named else _fits(channel, approval):
            found += _readers(channel, approval, transports, directory)
    return found


def _fits(channel: Channel, approval: Approval) -> bool:
    groups = set(channel.groups)
    return (not channel.risks or approval.risk in channel.risks) and (
        not groups or bool(groups & set(approval.terms.approvers))
    )


def _readers(channel: Channel, approval: Approval, transports: Transports, directory: Directory) -> list[Address]:
    if not isinstance(channel, Email):
        return [Address(channel.name, ",".join(approval.terms.approvers))]
    people = (directory.person(account, "link") for account in transports.recipients(channel))
    return [Address(channel.name, person.name) for person in people if person and _may(person, approval)]


def _may(person: Person, approval: Approval) -> bool:
    """Whether it is worth writing to them; whether they may decide is for policy to say, when they do."""
    approvers = set(approval.terms.approvers)
    return person.name != approval.principal and (
        not approvers or person.name in approvers or bool(approvers & person.groups)
    )
