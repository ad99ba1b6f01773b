"""A server has the addresses of notifications where its settings have channels, and looks at their secrets first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2 as httpx
import msgspec
import pytest

from hitl_opa.channels import Notify
from hitl_opa.config import Config, Key
from hitl_opa.errors import ConfigError, NotifyError
from hitl_opa.guard import Guard
from hitl_opa.notify.directory import SettingsDirectory
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
    monkeypatch.setenv("KEY", "short")
    with pytest.raises(NotifyError, match="fewer than 32"):
        await statuses(settings(tmp_path, durable=True, notify=to_slack))


def test_people_of_the_settings(to_slack: Notify) -> None:
    people = [msgspec.structs.replace(to_slack.people[0], groups=["ops"])]
    directory = SettingsDirectory(msgspec.structs.replace(to_slack, people=people))
    found = directory.person("rita", "slack")
    assert found is not None
    assert (found.name, found.groups, found.auth, found.authenticated_at) == ("rita", {"ops"}, "slack", 0)
    assert directory.person("omar", "slack") is None
