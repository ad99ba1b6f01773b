"""Secrets in arguments are found and never shown."""

# ruff: noqa: E501  (tables read better a case a line)

from __future__ import annotations

from collections.abc import Callable

import pytest

from hitl_opa.facts import redact
from hitl_opa.facts.secrets import find
from hitl_opa.model import Facts

# Put together here so that no scanner takes this file for a leak.
SECRETS = {
    "aws-access-key": "AKIA" + "ABCDEFGHIJKLMNOP", "github-token": "ghp_" + "a" * 36, "anthropic-key": "sk-ant-" + "a" * 30, "slack-token": "xoxb-" + "1" * 12,
    "google-api-key": "AIza" + "b" * 35, "stripe-key": "sk_live_" + "c" * 24, "npm-token": "npm_" + "d" * 36, "jwt": "eyJ" + "a" * 12 + ".eyJ" + "b" * 12 + "." + "c" * 20,
    "private-key": "-----BEGIN RSA PRIVATE " + "KEY-----\nabc\n-----END RSA PRIVATE " + "KEY-----", "password": "DB_PASSWORD=" + "hunter2hunter2",
}  # fmt: skip


@pytest.mark.parametrize("kind", SECRETS)
def test_found_and_redacted(kind: str) -> None:
    text = f"x {SECRETS[kind]} y"
    assert kind in [k for k, _, _ in find(text)]
    shown = redact({"a": [text, {"b": text}]})
    assert SECRETS[kind] not in str(shown)
    assert f"[secret:{kind}]" in shown["a"][0]


@pytest.mark.parametrize(
    "text",
    [
        "echo hello world",
        "git commit -m 'fix password reset'",
        "password=$PASSWORD",
        "sha256:" + "a" * 64,
        "https://example.com/a@b",
        "token = None  # later",
    ],
)
def test_harmless_text_stays(text: str) -> None:
    assert find(text) == []
    assert redact(text) == text


def test_a_fact_points_at_the_field(facts_of: Callable[..., Facts]) -> None:
    facts = facts_of(
        {"file_path": "a", "content": SECRETS["github-token"], "a/b": {"~c": [SECRETS["aws-access-key"]]}}, "Write"
    )
    assert {(s.kind, s.pointer) for s in facts.secrets} == {
        ("github-token", "/content"),
        ("aws-access-key", "/a~1b/~0c/0"),
    }
    assert SECRETS["github-token"] not in str(facts.effects)
