"""Alarms reach every channel once an episode, and are tried again where they did not arrive."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from book import START, Book
from receivers import HttpReceiver

from hitl_opa.approvals.letters import GIVEN_UP
from hitl_opa.approvals.overseer import Overseer
from hitl_opa.approvals.store import Store
from hitl_opa.audit import AuditLog
from hitl_opa.channels import Notify, Webhook
from hitl_opa.config import Config
from hitl_opa.notify.alarms import GRACE, Alarms

NOW = START.timestamp() + 3_600
TITLE = "Alarm: escalation: people see too many calls"


class Office:
    """Workers over one record that raises an alarm."""

    def __init__(self, log: AuditLog, hook: HttpReceiver) -> None:
        self.log, self.hook, self.now = log, hook, NOW
        channels = [Webhook(name=name, url=hook.url, keys=["${HOOK}"]) for name in ("siem", "pager")]
        self.settings = Notify(base_url="http://127.0.0.1:8282", channels=[*channels])
        book = Book(log)
        for n in range(60):
            book.decision(f"d{n}", n)
            book.review(f"d{n}", n + 1, ("approve", "reject")[n % 5 == 0], ms=30_000)
        book.close()

    def worker(self) -> tuple[Overseer, Alarms]:
        overseer = Overseer(Store(self.log), Config(durable=True))
        return overseer, Alarms(overseer, self.log, self.settings, "", clock=lambda: self.now)

    async def round(self, overseer: Overseer, alarms: Alarms) -> None:
        list(overseer.once(self.now))
        await alarms.once()

    @property
    def arrived(self) -> list[str]:
        return [got.json["data"]["title"] for got in self.hook.got]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setenv("HOOK", "whsec_" + "b3V0" * 8)
    with HttpReceiver().running() as hook, AuditLog.open(tmp_path / "hitl.db") as log:
        yield Office(log, hook)


async def test_each_channel_is_told_once_whoever_looks(office: Office) -> None:
    one, other = office.worker(), office.worker()
    for worker in (one, other, one, other, office.worker()):
        await office.round(*worker)
        office.now += GRACE
    assert office.arrived == [TITLE, TITLE]


async def test_what_does_not_arrive_is_tried_again(office: Office) -> None:
    worker = office.worker()
    office.hook.reply = lambda _: (500, {}, b"")
    await office.round(*worker)
    office.hook.reply = lambda _: (200, {}, b"")
    await office.round(*worker)
    await office.round(*worker)
    assert len(office.arrived) == 4
    results = [r.get("extra")["result"] for r in office.log.records() if "notified" in r.get("extra", {})]
    assert sorted(results) == ["failed", "failed", "sent", "sent"]


async def test_what_a_dead_worker_did_not_tell_another_one_does(office: Office) -> None:
    dead, other = office.worker()[0], office.worker()
    list(dead.once(office.now))
    await office.round(*other)
    assert office.arrived == []
    office.now = time.time() + GRACE  # records have this machine's time, and not the book's
    await other[1].once()
    assert office.arrived == [TITLE, TITLE]


async def test_it_gives_up(office: Office) -> None:
    worker = office.worker()
    office.hook.reply = lambda _: (500, {}, b"")
    for _ in range(GIVEN_UP + 5):
        await office.round(*worker)
    assert len(office.arrived) == 2 * GIVEN_UP
