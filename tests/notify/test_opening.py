"""A server has the addresses of notifications where its settings have channels, and looks at their secrets first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2 as httpx
import pytest

from hitl_opa.approvals import Approval, Person, State
from hitl_opa.approvals.accounts import Accounts
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.channels import Notify
from hitl_opa.config import Config, Key
from hitl_opa.errors import ConfigError, NotifyError, VoteRefused
from hitl_opa.guard import Guard
from hitl_opa.notify.decider import Decider
from hitl_opa.notify.directory import AccountDirectory
from hitl_opa.notify.message import message
from hitl_opa.server import create_app
from hitl_opa.server.keys import new_key


def settings(tmp_path: Path, **fields: Any) -> Config:
    key = Key(name="ci", sha256=new_key()[1], principal="ci")
    return Config(root=str(tmp_path), audit=str(tmp_path / "hitl.db"), keys=[key], **fields)


async def statuses(config: Config) -> list[int]:
    async with Guard.open(config) as guard:
        transport = httpx.ASGITransport(app=create_app(guard))
        async with httpx.AsyncClient(transport=transport, base_url="http://guard") as http:
            return [
                (await http.post("/notify/slack")).status_code,
                (await http.post("/notify/webhook")).status_code,
                (await http.get("/links/x")).status_code,
            ]


async def test_with_channels(tmp_path: Path, to_slack: Notify) -> None:
    assert await statuses(settings(tmp_path, durable=True, notify=to_slack)) == [403, 403, 403]


async def test_without(tmp_path: Path, to_slack: Notify) -> None:
    assert await statuses(settings(tmp_path, durable=True)) == [404, 404, 404]
    assert await statuses(settings(tmp_path, notify=to_slack)) == [404, 404, 404]


async def test_a_secret_that_is_missing_is_said_at_once(
    tmp_path: Path, to_slack: Notify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SIGNING")
    with pytest.raises(ConfigError, match="SIGNING is not set"):
        await statuses(settings(tmp_path, durable=True, notify=to_slack))
    monkeypatch.setenv("SIGNING", "signing")
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(NotifyError, match=r"hitl-opa\[notify\]"):
            await statuses(settings(tmp_path, durable=True, notify=to_slack))
    monkeypatch.setenv("KEY", "short")
    with pytest.raises(NotifyError, match="fewer than 32"):
        await statuses(settings(tmp_path, durable=True, notify=to_slack))


async def test_messages_link_to_pages_that_are_there(
    tmp_path: Path, asks: Callable[..., Approval], approvals: Approvals
) -> None:
    asked = asks()
    said = message("m1", [asked], "http://guard")
    config = settings(tmp_path, durable=True)
    async with Guard.open(config) as guard:
        transport = httpx.ASGITransport(app=create_app(guard))
        async with httpx.AsyncClient(transport=transport) as http:
            for url in (said.queue, said.items[0].link):
                answer = await http.get(url)
                wanted = quote(url.removeprefix("http://guard"))
                assert (answer.status_code, answer.headers["location"]) == (303, f"/inbox/login?next={wanted}")


def test_who_read_it_before_it_was_edited_has_not_approved_the_edit(
    asks: Callable[..., Approval], approvals: Approvals
) -> None:
    accounts = Accounts(approvals.store)
    accounts.add("rita", "reviewer", [], 0)
    decider = Decider(approvals, AccountDirectory(accounts))
    asked = asks("rm -rf build", quorum=2)
    read = decider.waiting(asked.id, asked.digest)
    approvals.edit(asked.id, Person(name="omar"), {"command": "rm -rf build/cache"}, channel="inbox")  # meanwhile
    with pytest.raises(VoteRefused, match="changed since you looked"):
        decider.vote(read, "rita", approves=True, reason="", auth="link", channel="email")
    assert [vote.reviewer for vote in approvals.get(asked.id).votes] == ["omar"]


async def test_accounts_decide_and_viewers_and_disabled_ones_do_not(
    asks: Callable[..., Approval], approvals: Approvals
) -> None:
    accounts = Accounts(approvals.store)
    accounts.add("rita", "viewer", ["ops"], 0)
    accounts.add("omar", "reviewer", ["ops"], 0)
    accounts.change("omar", disabled=True)
    directory = AccountDirectory(accounts)
    assert directory.person("nobody", "slack") is None
    assert directory.person("omar", "slack") is None
    decider = Decider(approvals, directory)
    asked = asks()
    for account, error in (("rita", VoteRefused), ("omar", NotifyError)):
        with pytest.raises(error):
            decider.vote(asked, account, approves=True, reason="", auth="slack", channel="slack")
    accounts.change("omar", disabled=False)
    given = decider.vote(asked, "omar", approves=True, reason="", auth="slack", channel="slack")
    assert (given.state, given.reviewers) == (State.APPROVED, "omar")
