"""It tells people soon after something changed, and goes on after the database could not be used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from receivers import FakeSlack

from hitl_opa.approvals import Approval
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.job import NOTIFY
from hitl_opa.approvals.outbox import Outbox
from hitl_opa.approvals.store import Store
from hitl_opa.approvals.worker import Worker
from hitl_opa.audit import AuditLog
from hitl_opa.errors import AuditBusy
from hitl_opa.notify import notifier
from hitl_opa.notify.delivery import Delivery
from hitl_opa.notify.notifier import Notifier

Asks = Callable[..., Approval]


async def test_it_looks_at_once_when_the_outbox_says_that_something_changed(
    delivers: Callable[..., Delivery],
    to_slack: Any,
    slack: FakeSlack,
    asks: Asks,
    approvals: Approvals,
    audit: AuditLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notifier, "POLL", 3_600)
    told, stop = Notifier(delivers(to_slack)), asyncio.Event()
    store = Store(audit)
    worker = Worker(store, approvals, {NOTIFY: told})
    arrived = slack.arriving(asyncio.get_running_loop())
    running = asyncio.create_task(told.run(stop))
    await asyncio.sleep(0)
    asks()
    assert await worker.once() == 1
    await asyncio.wait_for(arrived.wait(), 30)
    assert Outbox(store).jobs() == []
    stop.set()
    await asyncio.wait_for(running, 30)
    assert len(slack.messages) == 1


async def test_a_database_that_cannot_be_used_is_told_of_and_tried_again(
    delivers: Callable[..., Delivery], to_slack: Any, slack: FakeSlack, asks: Asks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "_SHORTEST", 0.001)
    delivery, failures, words = delivers(to_slack), [AuditBusy("busy")] * 3, list[str]()
    once = delivery.once

    async def failing() -> int:
        if failures:
            raise failures.pop()
        return await once()

    monkeypatch.setattr(delivery, "once", failing)
    asks()
    stop = asyncio.Event()
    arrived = slack.arriving(asyncio.get_running_loop())
    running = asyncio.create_task(Notifier(delivery, told=words.append).run(stop))
    await asyncio.wait_for(arrived.wait(), 30)
    stop.set()
    await asyncio.wait_for(running, 30)
    assert words == ["busy"] * 3
