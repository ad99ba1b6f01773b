"""Approvals of real calls in a file, a clock that is moved by hand, and receivers on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from doubles import ask, referee
from receivers import FakeSlack, HttpReceiver, MailReceiver

from hitl_opa.approvals import Approval
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.audit import AuditLog
from hitl_opa.facts import Known, read_facts
from hitl_opa.model import Agent, Context, Decision, Document, ToolCall

BASE = "https://hitl.example.com"


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)  # signatures are timed by the wall clock

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[AuditLog]:
    with AuditLog.open(tmp_path / "hitl.db") as log:
        yield log


@pytest.fixture
def approvals(audit: AuditLog, clock: Clock) -> Approvals:
    return Approvals.open(audit, redact=lambda value: value, clock=clock, referee=referee())


Asks = Callable[..., Approval]


@pytest.fixture
def asks(approvals: Approvals, tmp_path: Path) -> Asks:
    """Asks for approval of a command, as policy would with this risk and these approvers."""

    def make(
        command: str = "rm -rf build", risk: str = "medium", approvers: tuple[str, ...] = (), **terms: object
    ) -> Approval:
        call = ToolCall(tool="Bash", input={"command": command}, cwd=str(tmp_path), workspace=str(tmp_path))
        about, facts = read_facts(call, Known())
        document = Document(
            call=about,
            facts=facts,
            agent=Agent(session="s1", principal="anna"),
            context=Context(cwd=str(tmp_path), workspace=str(tmp_path)),
        )
        decision = msgspec.json.decode(ask(risk, approvers=list(approvers), **terms), type=Decision)
        return approvals.request(f"sha256:{command}", document, decision, "d1")

    return make


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with FakeSlack().running() as receiver:
        assert isinstance(receiver, FakeSlack)
        yield receiver


@pytest.fixture
def hook() -> Iterator[HttpReceiver]:
    with HttpReceiver().running() as receiver:
        yield receiver


@pytest.fixture
def mail() -> Iterator[MailReceiver]:
    with MailReceiver().running() as receiver:
        yield receiver
