"""``/v1/approvals``: who speaks comes from the key, agents decide on nothing, and everything is said once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import jsonschema
import pytest

from hitl_opa.approvals import Approval, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.config import Config, Key
from hitl_opa.guard import Guard
from hitl_opa.model import Session, ToolCall
from hitl_opa.server import create_app
from hitl_opa.server.keys import new_key

KEYS = {name: new_key() for name in ("agent", "other", "ann", "bob", "eve")}


def key(name: str, principal: str, *roles: Any, groups: Any = ()) -> Key:
    return Key(name=name, sha256=KEYS[name][1], principal=principal, roles=[*roles], groups=[*groups])


LISTED = [
    key("agent", "anna"),
    key("other", "otto"),
    key("ann", "ann", "reviewer", groups=["ops"]),
    key("bob", "bob", "admin"),
    key("eve", "eve", "viewer"),
]


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[Guard]:
    config = Config(durable=True, level=2, root=str(tmp_path), keys=LISTED)
    async with Guard.open(config) as opened:
        yield opened


@pytest.fixture
async def http(guard: Guard) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(guard))
    async with httpx.AsyncClient(transport=transport, base_url="http://guard") as client:
        yield client


def of(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEYS[name][0]}"}


def book(guard: Guard) -> Approvals:
    assert guard.approvals is not None
    return guard.approvals


async def waits(guard: Guard, tool: str = "Bash", **given: Any) -> Approval:
    call = ToolCall(
        tool=tool,
        input=given or {"command": "mkdir made"},
        cwd=guard.config.root,
        session=Session(id="s1", principal="anna", unattended=True),
    )
    outcome = await guard.answered(await guard.resolve(await guard.rule(call))) if tool == "AskUserQuestion" else None
    outcome = outcome or await guard.resolve(await guard.rule(call))
    return book(guard).get(outcome.pending)


async def test_list_get_and_vote(guard: Guard, http: httpx.AsyncClient) -> None:
    one = await waits(guard)
    two = await waits(guard, command="mkdir other")
    listed = (await http.get("/v1/approvals?state=pending,approved", headers=of("eve"))).json()["approvals"]
    assert [a["id"] for a in listed] == [two.id, one.id]
    assert "document" not in listed[0]
    page = (await http.get(f"/v1/approvals?limit=1&after={two.id}", headers=of("eve"))).json()["approvals"]
    assert [a["id"] for a in page] == [one.id]
    shown = (await http.get(f"/v1/approvals/{one.id}", headers=of("eve"))).json()
    assert shown["document"]["call"]["input"] == {"command": "mkdir made"}
    body = {"approves": True, "reason": "Go.", "look_ms": 900}
    answers = [await http.post(f"/v1/approvals/{one.id}/vote", headers=of("ann"), json=body) for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 200]  # said again is no error
    assert answers[0].json() == answers[1].json()
    (vote,) = answers[0].json()["votes"]
    assert (vote["reviewer"], vote["channel"], vote["look_ms"]) == ("ann", "api", 900)
    late = await http.post(f"/v1/approvals/{one.id}/vote", headers=of("bob"), json={"approves": False})
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    denied = await http.post(
        f"/v1/approvals/{two.id}/vote", headers=of("bob"), json={"approves": False, "category": "tool-failure"}
    )
    assert denied.json()["state"] == "denied"


async def test_agents_and_viewers_decide_on_nothing(guard: Guard, http: httpx.AsyncClient) -> None:
    waiting = await waits(guard)
    for name in ("agent", "other", "eve"):
        for what, body in (
            ("vote", {"approves": True}),
            ("edit", {"input": {"command": "ls"}}),
            ("answer", {"answers": {}}),
            ("cancel", {}),
        ):
            answer = await http.post(f"/v1/approvals/{waiting.id}/{what}", headers=of(name), json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (name, what)
    assert (await http.get("/v1/approvals", headers=of("agent"))).status_code == 403
    assert (await http.get(f"/v1/approvals/{waiting.id}", headers=of("agent"))).json()["state"] == "pending"
    assert (await http.get(f"/v1/approvals/{waiting.id}", headers=of("other"))).status_code == 404
    assert (await http.get("/v1/approvals")).status_code == 401
    assert book(guard).get(waiting.id).votes == []


async def test_who_speaks_is_not_for_the_body_to_say(guard: Guard, http: httpx.AsyncClient) -> None:
    waiting = await waits(guard)
    for forged in ({"reviewer": "boss"}, {"channel": "inbox"}, {"principal": "x"}, {"authenticated_at": 9e9}):
        answer = await http.post(
            f"/v1/approvals/{waiting.id}/vote", headers=of("ann"), json={"approves": True, **forged}
        )
        assert answer.status_code == 400
    assert book(guard).get(waiting.id).state is State.PENDING


async def test_policy_counts_or_does_not(guard: Guard, http: httpx.AsyncClient) -> None:
    critical = await waits(guard, command="echo x > /etc/cron.d/x")
    assert critical.risk == "critical"
    answer = await http.post(f"/v1/approvals/{critical.id}/vote", headers=of("bob"), json={"approves": True})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "critical risk" in answer.json()["message"]
    assert book(guard).get(critical.id).state is State.PENDING


async def test_edit_answer_and_cancel(guard: Guard, http: httpx.AsyncClient) -> None:
    one = await waits(guard)
    refused = await http.post(
        f"/v1/approvals/{one.id}/edit", headers=of("ann"), json={"input": {"command": "rm -rf /"}}
    )
    assert (refused.status_code, "policy denies" in refused.json()["message"]) == (403, True)
    edited = await http.post(
        f"/v1/approvals/{one.id}/edit", headers=of("ann"), json={"input": {"command": "mkdir less"}}
    )
    assert (edited.json()["state"], edited.json()["edited"]) == ("approved", {"command": "mkdir less"})
    question = await waits(guard, "AskUserQuestion", questions=[{"question": "Which?", "options": []}])
    answered = await http.post(
        f"/v1/approvals/{question.id}/answer", headers=of("ann"), json={"answers": {"Which?": "b"}}
    )
    assert answered.json()["answers"] == {"Which?": "b"}
    three = await waits(guard, command="mkdir three")
    gone = await http.post(f"/v1/approvals/{three.id}/cancel", headers=of("bob"), json={"reason": "Old."})
    assert (gone.json()["state"], gone.json()["reason"]) == ("cancelled", "Old.")
    assert (await http.post("/v1/approvals/zz/cancel", headers=of("bob"), json={})).status_code == 404


@pytest.mark.parametrize("query", ["state=done", "limit=0", "limit=many", "limit=501", "who=me"])
async def test_junk_is_refused(guard: Guard, http: httpx.AsyncClient, query: str) -> None:
    assert (await http.get(f"/v1/approvals?{query}", headers=of("bob"))).status_code == 400
    for body in ("[]", "{", '{"approves": "yes"}', '{"approves": true, "category": 7}'):
        answer = await http.post("/v1/approvals/x/vote", headers=of("bob"), content=body)
        assert answer.status_code == 400
    for method in ("get", "put", "delete"):
        assert (await getattr(http, method)("/v1/approvals/x/vote", headers=of("bob"))).status_code == 405


async def test_where_none_are_kept_there_is_no_such_place(tmp_path: Path) -> None:
    async with Guard.open(Config(root=str(tmp_path), keys=LISTED)) as guard:
        transport = httpx.ASGITransport(app=create_app(guard))
        async with httpx.AsyncClient(transport=transport, base_url="http://guard") as client:
            assert (await client.get("/v1/approvals", headers=of("bob"))).status_code == 404


async def test_openapi_describes_what_is_answered(guard: Guard, http: httpx.AsyncClient) -> None:
    waiting = await waits(guard)
    description = (await http.get("/openapi.json")).json()

    def valid(name: str, value: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": description["components"]}
        jsonschema.Draft202012Validator(schema).validate(value)

    valid("Approval", (await http.get(f"/v1/approvals/{waiting.id}", headers=of("bob"))).json())
    for one in (await http.get("/v1/approvals", headers=of("bob"))).json()["approvals"]:
        valid("Brief", one)
    operations = [o["operationId"] for p in description["paths"].values() for o in p.values()]
    assert len(operations) == len(set(operations))
    assert {"/v1/approvals", "/v1/approvals/{id}/vote"} <= set(description["paths"])
