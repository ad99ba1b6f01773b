"""The decision API: who asks comes from the key, a deny is an answer, junk is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2 as httpx
import jsonschema
import msgspec
import pytest
from doubles import FakeEngine, decision

from hitl_opa.audit import AuditLog
from hitl_opa.config import Config, Key
from hitl_opa.errors import ConfigError, EngineUnavailable
from hitl_opa.guard import Guard
from hitl_opa.server import create_app
from hitl_opa.server.keys import find, fingerprint, new_key

KEY, DIGEST = new_key()
CONFIG = Config(audit=":memory:", keys=[Key(name="ci", sha256=DIGEST, principal="ci-bot", level=3)])
CALL = {"tool": "Bash", "input": {"command": "ls"}, "id": "c1"}
AUTH = {"authorization": f"Bearer {KEY}"}

Client = Callable[[Guard], httpx.AsyncClient]


@pytest.fixture
async def guard() -> AsyncIterator[Guard]:
    async with Guard.open(CONFIG) as opened:
        yield opened


def client(guard: Guard, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=create_app(guard))
    return httpx.AsyncClient(transport=transport, base_url="http://guard", headers={**AUTH, **headers})


async def test_one_call(guard: Guard) -> None:
    async with client(guard) as http:
        answer = await http.post("/v1/decisions", json=CALL)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["id"], body["verdict"]) == ("c1", "allow")
    assert body["policy"]["revision"]
    (record,) = guard.audit.records()
    assert record.leaf["decision_id"] == body["decision_id"]


async def test_many_calls_in_order(guard: Guard) -> None:
    calls = [{**CALL, "id": str(i)} for i in range(5)] + [{**CALL, "id": "x", "input": {"command": "rm -rf /"}}]
    async with client(guard) as http:
        answer = await http.post("/v1/decisions", json={"calls": calls})
    decisions = answer.json()["decisions"]
    assert [d["id"] for d in decisions] == ["0", "1", "2", "3", "4", "x"]
    assert [d["verdict"] for d in decisions] == ["allow"] * 5 + ["deny"]


async def test_requests_at_once_share_a_commit(guard: Guard) -> None:
    commits: list[str] = []
    guard.audit._open().set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    async with client(guard) as http:
        answers = await asyncio.gather(
            *(http.post("/v1/decisions", json={**CALL, "id": str(number)}) for number in range(12))
        )
    assert [answer.json()["id"] for answer in answers] == [str(number) for number in range(12)]
    recorded = {record.leaf["decision_id"]: record.leaf["hitl"]["call_id"] for record in guard.audit.records()}
    assert recorded == {answer.json()["decision_id"]: answer.json()["id"] for answer in answers}
    assert len(commits) < 12


async def test_what_cannot_be_recorded_is_denied(guard: Guard) -> None:
    async with client(guard) as http:
        assert (await http.post("/v1/decisions", json=CALL)).json()["verdict"] == "allow"
        guard.audit._open().execute("PRAGMA query_only = ON")
        answers = await asyncio.gather(*(http.post("/v1/decisions", json=CALL) for _ in range(5)))
    assert [answer.json()["verdict"] for answer in answers] == ["deny"] * 5
    assert {answer.json()["reasons"][0]["rule"] for answer in answers} == {"guard.record-failed"}


async def test_opa_shape_and_document(guard: Guard) -> None:
    from hitl_opa.model import ToolCall

    document = guard.rule_sync(ToolCall(tool="Bash", input={"command": "rm -rf /"})).document
    forged = msgspec.to_builtins(document)
    forged["facts"]["effects"] = []
    forged["agent"] |= {"level": 4, "principal": "root"}
    forged["approval"]["grant"] |= {"id": "g", "reviewer": "eve", "waives": ["files.root"]}
    async with client(guard) as http:
        honest = (await http.post("/v1/data/hitl/main/decision", json={"input": CALL})).json()
        other = (await http.post("/v1/data/hitl/main/decision", json={"input": forged})).json()
    assert set(honest) == {"result", "decision_id"}
    assert honest["result"]["verdict"] == "allow"
    assert other["result"]["verdict"] == "deny"
    record = list(guard.audit.records())[-1]
    assert (record.leaf["requested_by"], record.get("level")) == ("ci-bot", 3)
    assert "grants.standing" not in {reason["rule"] for reason in other["result"]["reasons"]}


async def test_principal_and_level_come_from_the_key(guard: Guard) -> None:
    call = {**CALL, "session": {"principal": "root", "id": "s"}}
    async with client(guard) as http:
        await http.post("/v1/decisions", json=call)
    (record,) = guard.audit.records()
    assert (record.leaf["requested_by"], record.get("level")) == ("ci-bot", 3)


@pytest.mark.parametrize("field", ["level", "approval", "agent", "facts"])
async def test_what_is_not_the_callers_to_say_is_refused(guard: Guard, field: str) -> None:
    async with client(guard) as http:
        answer = await http.post("/v1/decisions", json={**CALL, field: 4})
    assert answer.status_code == 400
    assert field in answer.json()["message"]


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {KEY}", f"Bearer {DIGEST}", KEY],
    ids=["none", "empty", "blank", "wrong", "basic", "digest", "bare"],
)
async def test_no_key_no_decision(guard: Guard, header: str) -> None:
    async with client(guard, authorization=header) as http:
        for path in ("/v1/decisions", "/v1/data/hitl/main/decision"):
            answer = await http.post(path, json=CALL)
            assert answer.status_code == 401
    assert list(guard.audit.records()) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b'{"tool": 7}',
        b"\xff",
        b'{"calls": 7}',
        b'{"calls": [7]}',
        b"[" * 100_000,
        b'{"calls": [' + b",".join([b'{"tool": "x"}'] * 1001) + b"]}",
    ],
    ids=[f"junk-{i}" for i in range(12)],
)
async def test_junk_is_refused(guard: Guard, body: bytes) -> None:
    async with client(guard) as http:
        answer = await http.post("/v1/decisions", content=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_parameter"


async def test_too_large_is_refused(guard: Guard) -> None:
    async with client(guard) as http:
        answer = await http.post("/v1/decisions", content=b" " * 4_000_001)
    assert answer.status_code == 413


async def test_a_failing_engine_is_a_deny_and_unhealthy() -> None:
    with AuditLog.open(":memory:") as audit:
        guard = Guard(engine=FakeEngine(EngineUnavailable("down")), audit=audit, config=CONFIG)
        async with client(guard) as http:
            assert (await http.post("/v1/decisions", json=CALL)).json()["verdict"] == "deny"
            health = await http.get("/healthz")
    assert health.status_code == 503
    assert "down" in health.json()["problem"]


async def test_health_needs_no_key_and_records_nothing() -> None:
    with AuditLog.open(":memory:") as audit:
        guard = Guard(engine=FakeEngine(decision()), audit=audit, config=CONFIG)
        async with client(guard, authorization="") as http:
            assert (await http.get("/healthz")).json() == {"status": "ok"}
        assert list(audit.records()) == []


async def test_openapi_describes_what_is_answered(guard: Guard) -> None:
    async with client(guard) as http:
        description = (await http.get("/openapi.json")).json()
        answer = (await http.post("/v1/decisions", json=CALL)).json()
    schema: dict[str, Any] = {"$ref": "#/components/schemas/Decision", "components": description["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate({k: v for k, v in answer.items() if k not in {"id", "decision_id"}})
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"verdict": "maybe"})


def test_a_server_without_keys_does_not_start() -> None:
    with AuditLog.open(":memory:") as audit, pytest.raises(ConfigError, match="keys new"):
        create_app(Guard(engine=FakeEngine(decision()), audit=audit, config=Config()))


def test_keys() -> None:
    key, digest = new_key()
    assert fingerprint(key) == digest
    listed = [Key(name="a", sha256=digest, principal="p"), Key(name="b", sha256=DIGEST, principal="q")]
    assert (found := find(listed, f"bearer {key}")) is not None
    assert found.name == "a"
    assert find([], f"Bearer {key}") is None
    with pytest.raises(ValueError, match="sha256"):
        Key(name="a", sha256="x", principal="p")
    with pytest.raises(ValueError, match="level"):
        Key(name="a", sha256=digest, principal="p", level=5)
