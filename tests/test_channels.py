"""The part ``notify`` of the settings: what it takes, what it refuses, and that it never shows a secret."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from hitl_opa.channels import Email, Notify, Slack, secret
from hitl_opa.config import load_config
from hitl_opa.errors import ConfigError

GOOD = """
base_url: https://hitl.example.com
keys: ["${HITL_LINK_KEY}"]
people: [{account: rita, email: rita@example.com, slack: U1}]
channels:
  - {name: ops, type: slack, token: "${SLACK_TOKEN}", channel: C1, groups: [ops], risks: [high]}
  - {name: mail, type: email, server: smtp.example.com, sender: hitl@example.com, password: "file:secrets/smtp"}
  - {name: siem, type: webhook, url: "https://example.com", keys: ["${HOOK}"]}
  - {name: phone, type: apprise, urls: ["${PHONE}"]}
"""


def test_channels_of_every_type(tmp_path: Path) -> None:
    (tmp_path / "hitl.yaml").write_text(yaml.safe_dump({"notify": yaml.safe_load(GOOD)}))
    settings = load_config(tmp_path / "hitl.yaml").notify
    assert settings is not None
    assert isinstance(settings.channel("ops"), Slack)
    assert isinstance(settings.channel("mail"), Email)
    with pytest.raises(ConfigError, match="no channel 'nope'; it has: ops, mail, siem, phone"):
        settings.channel("nope")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("https://hitl.example.com", "http://hitl.example.com", "https://"),
        ("name: siem", "name: ops", "'ops' stands there twice"),
        ('"${SLACK_TOKEN}"', "xoxb-1-real", "must not stand in hitl.yaml"),
        ('"${HITL_LINK_KEY}"', "xoxb-1-real", "must not stand in hitl.yaml"),
        ('keys: ["${HOOK}"]', "keys: []", "unsigned webhook"),
        ('keys: ["${HOOK}"]', 'keys: ["${HOOK}"], inbound: ["${IN}"]', "need each other"),
        ("risks: [high]", "risks: [huge]", "huge"),
        ("type: slack", "type: pigeon", "pigeon"),
        ("email: rita@example.com", 'email: "rita@example.com, eve@evil.example"', "no mail address"),
        ("email: rita@example.com", "email: rita", "no mail address"),
        ("channel: C1", "chanel: C1", "chanel"),
        ("sender: hitl@example.com", "sender: hitl@example.com, tls: none", "on this machine only"),
    ],
)
def test_what_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    (tmp_path / "hitl.yaml").write_text(yaml.safe_dump({"notify": yaml.safe_load(GOOD.replace(old, new, 1))}))
    with pytest.raises(ConfigError, match=said) as caught:
        load_config(tmp_path / "hitl.yaml")
    assert "xoxb" not in str(caught.value)


def test_a_secret_is_read_where_its_name_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HITL_TEST_SECRET", "from the environment")
    (tmp_path / "s").write_text("from a file\n")
    assert secret("${HITL_TEST_SECRET}", "") == "from the environment"
    assert secret("file:s", str(tmp_path)) == "from a file"


@pytest.mark.parametrize("name", ["${HITL_NOT_SET}", "file:nowhere", "file:empty", "file:binary", "plain"])
def test_a_secret_that_is_not_there_is_said_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError):
        secret(name, str(tmp_path))


def test_settings_that_are_written_out_hold_names_only() -> None:
    settings = msgspec.convert(yaml.safe_load(GOOD), Notify)
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Notify) == settings
