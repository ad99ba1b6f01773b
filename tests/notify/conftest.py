"""Approvals of real calls in a file, a clock that is moved by hand, and receivers on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import httpx2 as httpx
import msgspec
import pytest
from doubles import ask, referee
from receivers import FakeSlack, HttpReceiver, MailReceiver
from starlette.applications import Starlette

from hitl_opa import channels
from hitl_opa.approvals import Approval, Person
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.letters import Letters
from hitl_opa.approvals.store import Store
from hitl_opa.audit import AuditLog
from hitl_opa.channels import Contact, Notify
from hitl_opa.facts import Known, read_facts
from hitl_opa.model import Agent, Context, Decision, Document, ToolCall
from hitl_opa.notify.delivery import Delivery
from hitl_opa.notify.routes import routes
from hitl_opa.notify.transports import Transports

BASE = "https://hitl.example.com"
SIGNING, KEY = "signing", "k" * 32
HOOK, INBOUND = "whsec_" + "b3V0" * 8, "whsec_" + "aW4x" * 8


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


class Accounts:
    """Who there is: rita and omar, and anna, for whom the agent works."""

    groups: ClassVar[dict[str, frozenset[str]]] = {
        "rita": frozenset({"ops"}),
        "omar": frozenset({"sec"}),
        "anna": frozenset(),
    }

    def person(self, account: str, auth: str) -> Person | None:
        return Person(name=account, groups=self.groups[account], auth=auth) if account in self.groups else None


PEOPLE = [
    Contact(account="rita", email="rita@example.com", slack="U1"),
    Contact(account="omar", email="omar@example.com", slack="U2"),
    Contact(account="anna", email="anna@example.com", slack="U3"),
]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "TOKEN": "xoxb-test",
        "SIGNING": "signing",
        "KEY": "k" * 32,
        "HOOK": HOOK,
        "IN": INBOUND,
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def to_slack(slack: FakeSlack, secrets: None) -> Notify:
    channel = channels.Slack(
        name="ops", token="${TOKEN}", channel="C1", signing_secret="${SIGNING}", api=f"{slack.url}/api/"
    )
    return Notify(base_url=BASE, channels=[channel], people=PEOPLE, window=0, keys=["${KEY}"])


@pytest.fixture
def to_hook(hook: HttpReceiver, secrets: None) -> Notify:
    channel = channels.Webhook(name="siem", url=hook.url, keys=["${HOOK}"], inbound=["${IN}"], decides_as="omar")
    return Notify(base_url=BASE, channels=[channel], people=PEOPLE, window=0)


@pytest.fixture
def to_mail(mail: MailReceiver, secrets: None) -> Notify:
    channel = channels.Email(name="mail", server="127.0.0.1", port=mail.port, tls="none", sender="hitl@example.com")
    return Notify(base_url=BASE, channels=[channel], people=PEOPLE, window=0, keys=["${KEY}"])


@pytest.fixture
def letters(audit: AuditLog, clock: Clock) -> Letters:
    return Letters(Store(audit), clock=lambda: clock().timestamp())


@pytest.fixture
def serves(approvals: Approvals, letters: Letters, audit: AuditLog) -> Callable[[Notify], httpx.AsyncClient]:
    """A browser, or whatever else comes, before a server with these settings."""

    def make(settings: Notify) -> httpx.AsyncClient:
        app = Starlette(routes=routes(approvals, letters, Transports(settings, ""), Accounts(), audit))
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE)

    return make


@pytest.fixture
def delivers(approvals: Approvals, letters: Letters, audit: AuditLog) -> Callable[[Notify], Delivery]:
    return lambda settings: Delivery(approvals, letters, Transports(settings, ""), Accounts(), audit)
