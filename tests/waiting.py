"""Approvals that wait, for tests; on the path of every test."""

from __future__ import annotations

from typing import Any

import msgspec
from doubles import ask

from hitl_opa.approvals import Approval
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.audit import Event, Kind
from hitl_opa.model import Agent, CallFacts, Decision, Document


def asks(risk: str = "high", **properties: Any) -> Decision:
    """An ask of policy, with these properties of its approval."""
    return msgspec.json.decode(ask(risk, **properties), type=Decision)


def request(approvals: Approvals, digest: str = "sha256:1", principal: str = "anna", **properties: Any) -> Approval:
    """An approval that was asked for ``make deploy``."""
    document = Document(
        call=CallFacts(id="c1", tool="Bash", kind="shell", input={"command": "make deploy"}),
        agent=Agent(session="s1", principal=principal),
    )
    return approvals.request(digest, document, asks(**properties), "d1")


def outcome() -> Event:
    """That the call ran."""
    return Event(kind=Kind.OUTCOME, decision_id="d1", tool="Bash", outcome="ran", matches=True)
