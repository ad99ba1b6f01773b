"""``POST /hooks/claude-code``: an explicit allow or deny, or a status that blocks the call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hitl_opa.audit import AuditLog
from hitl_opa.cli.serving import application
from hitl_opa.config import Config
from hitl_opa.guard import Guard
from hitl_opa.server.keys import new_key

KEY, DIGEST = new_key()
LOW, LOW_DIGEST = new_key()
PATH = "/hooks/claude-code"
KEYS = [
    {"name": "a", "sha256": DIGEST, "principal": "ada", "level": 3},
    {"name": "b", "sha256": LOW_DIGEST, "principal": "bob", "level": 1},
]


@pytest.fixture
def audit() -> Iterator[AuditLog]:
    with AuditLog.open(":memory:") as log:
        yield log


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    import msgspec

    config = msgspec.convert({"audit": str(tmp_path / "record" / "a.db"), "keys": KEYS, "root": str(tmp_path)}, Config)
    guard = Guard.open(config)
    with TestClient(application(guard)) as client:
        client.guard = guard  # type: ignore[attr-defined]
        yield client
    guard.close_sync()


def call(command: str = "ls", **fields: Any) -> dict[str, Any]:
    return {
        "hook_event_name": "PreToolUse",
        "session_id": "s",
        "tool_name": "Bash",
        "tool_input": {"command": command},
        "tool_use_id": "t",
        "cwd": "/elsewhere",
        **fields,
    }


def post(client: TestClient, body: Any, key: str = KEY) -> Any:
    return client.post(PATH, json=body, headers={"authorization": f"Bearer {key}"})


def test_it_says_allow_or_deny(client: TestClient) -> None:
    answer = post(client, call())
    assert answer.headers["x-hitl-answer"] == "allow"
    assert answer.json()["hookSpecificOutput"]["permissionDecision"] == "allow"
    answer = post(client, call("rm -rf /"))
    assert (answer.status_code, answer.headers["x-hitl-answer"]) == (200, "")
    assert answer.json()["hookSpecificOutput"]["permissionDecision"] == "deny"


def test_principal_and_level_are_the_keys(client: TestClient) -> None:
    for more in ({}, {"principal": "root", "level": 4}):
        assert post(client, call(**more), LOW).json()["hookSpecificOutput"]["permissionDecision"] == "deny"
    leaves = [r for r in client.guard.audit.records() if r.kind == "decision"]  # type: ignore[attr-defined]
    assert {r.leaf["requested_by"] for r in leaves} == {"bob"}


def test_the_workspace_is_that_of_the_settings(client: TestClient, tmp_path: Path) -> None:
    write = {"tool_name": "Write", "tool_input": {"file_path": str(tmp_path / "x"), "content": "x"}}
    assert post(client, call(**write)).json()["hookSpecificOutput"]["permissionDecision"] == "allow"
    write["tool_input"]["file_path"] = "/elsewhere/x"  # type: ignore[index]
    assert post(client, call(**write)).json()["hookSpecificOutput"]["permissionDecision"] == "deny"


def test_a_question_is_left_to_who_sits_there(client: TestClient) -> None:
    asked = {"tool_name": "AskUserQuestion", "tool_input": {"questions": [{"question": "Which?", "options": []}]}}
    assert post(client, call(**asked)).json()["hookSpecificOutput"]["permissionDecision"] == "allow"


def test_what_became_of_a_call_is_recorded(client: TestClient) -> None:
    post(client, call())
    assert post(client, call(hook_event_name="PostToolUse")).headers["x-hitl-answer"] == "noted"
    # a server that was started again knows nothing of the call, and the record does
    again = Guard.open(client.guard.config)  # type: ignore[attr-defined]
    post(client, call(tool_use_id="u"))
    with TestClient(application(again)) as other:
        post(other, call(hook_event_name="PostToolUseFailure", tool_use_id="u", error="E"))
    records = list(again.audit.records())
    decisions = {r.get("call_id"): r.leaf["decision_id"] for r in records if r.kind == "decision"}
    ended = {r.get("call_id"): (r.get("outcome"), r.leaf["decision_id"]) for r in records if r.kind == "outcome"}
    assert ended == {"t": ("ran", decisions["t"]), "u": ("failed", decisions["u"])}
    again.close_sync()


@pytest.mark.parametrize("body", [None, [], "x", {}, {"hook_event_name": 1}, {"hook_event_name": "SessionEnd"}])
def test_what_is_no_hook_blocks(client: TestClient, body: Any) -> None:
    assert post(client, body).status_code == 400


@pytest.mark.parametrize("fields", [{"tool_input": 1}, {"tool_name": ""}, {"permission_mode": "root"}, {"cwd": 3}])
def test_what_is_no_call_is_denied(client: TestClient, fields: dict[str, Any]) -> None:
    answer = post(client, call(**fields))
    assert answer.json()["hookSpecificOutput"]["permissionDecision"] == "deny"


@pytest.mark.parametrize("key", ["", "hitl_x", "bearer"])
def test_without_a_key_nothing_is_decided(client: TestClient, key: str) -> None:
    assert post(client, call(), key).status_code == 401
    assert client.get(PATH).status_code == 405
    assert not [r for r in client.guard.audit.records() if r.kind == "decision"]  # type: ignore[attr-defined]


def test_a_body_that_is_not_json_or_too_large(client: TestClient) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    assert client.post(PATH, content=b"{", headers=headers).status_code == 400
    assert client.post(PATH, content=b" " * 5_000_000, headers=headers).status_code == 413


def test_a_header_does_not_make_a_request_local(client: TestClient) -> None:
    for name in ("x-forwarded-for", "x-forwarded-proto", "forwarded", "host"):
        assert client.post(PATH, json=call(), headers={name: "unix"}).status_code in (400, 401)
