"""Every way in which a decision can fail to come about ends in deny, with a reason and a record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from doubles import FakeEngine, decision

from hitl_opa.audit import AuditLog
from hitl_opa.errors import AuditError, EngineError, EngineUnavailable, Undefined
from hitl_opa.guard import Guard
from hitl_opa.model import Session, ToolCall, Verdict

CALL = ToolCall(tool="Bash", input={"command": "ls"}, id="t1", session=Session(id="s1", principal="dev"))


async def hang(_: bytes) -> bytes:
    await asyncio.sleep(30)
    return decision()


FAILURES = [
    (EngineError("boom"), "guard.engine-error"),
    (EngineUnavailable("down"), "guard.engine-unavailable"),
    (Undefined("nothing"), "guard.undefined"),
    (RuntimeError("bug"), "guard.error"),
    (RecursionError("deep"), "guard.error"),
    (b"", "guard.engine-error"),
    (b"null", "guard.engine-error"),
    (b"{}", "guard.engine-error"),
    (b'"allow"', "guard.engine-error"),
    (b"[1]", "guard.engine-error"),
    (b"\xff\xfe", "guard.engine-error"),
    (decision("Allow"), "guard.engine-error"),
    (decision(risk="none"), "guard.engine-error"),
    (decision(reasons=[]), "guard.engine-error"),
    (decision(reasons=[{"rule": "x"}]), "guard.engine-error"),
    (decision(obligations="none"), "guard.engine-error"),
]


@pytest.mark.parametrize(("answer", "rule"), FAILURES, ids=lambda x: str(x)[:40])
@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
async def test_no_usable_answer_is_a_recorded_deny(
    make_guard: Callable[..., Guard], audit: AuditLog, answer: Any, rule: str, sync: bool
) -> None:
    guard = make_guard(answer)
    said = guard.decide_sync(CALL) if sync else await guard.decide(CALL)
    assert said.verdict is Verdict.DENY
    assert [r.rule for r in said.reasons] == [rule]
    (record,) = audit.records()
    assert record.get("verdict") == "deny"
    assert record.get("decided_by") == "guard"


async def test_an_engine_that_hangs_is_denied_at_the_deadline(make_guard: Callable[..., Guard]) -> None:
    started = time.monotonic()
    said = await make_guard(hang, deadline=0.2).decide(CALL)
    assert said.reasons[0].rule == "guard.deadline"
    assert time.monotonic() - started < 5


def test_an_engine_that_answers_too_late_is_denied(make_guard: Callable[..., Guard]) -> None:
    def slow(_: bytes) -> bytes:
        time.sleep(0.15)
        return decision()

    assert make_guard(slow, deadline=0.1).decide_sync(CALL).reasons[0].rule == "guard.deadline"


def test_a_deny_among_the_reasons_of_an_allow_denies(make_guard: Callable[..., Guard]) -> None:
    hidden = {"rule": "x", "pack": "p", "verdict": "deny", "risk": "low", "message": "No."}
    assert make_guard(decision(reasons=[hidden])).decide_sync(CALL).verdict is Verdict.DENY


async def test_cancelling_is_not_swallowed(make_guard: Callable[..., Guard]) -> None:
    task = asyncio.create_task(make_guard(hang, deadline=30).rule(CALL))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("verdict", ["allow", "ask"])
def test_what_cannot_be_recorded_is_denied(
    make_guard: Callable[..., Guard], audit: AuditLog, monkeypatch: pytest.MonkeyPatch, verdict: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise AuditError("disk full")

    monkeypatch.setattr(audit, "append", full)
    said = make_guard(decision(verdict)).decide_sync(CALL)
    assert said.verdict is Verdict.DENY
    assert said.reasons[0].rule == "guard.record-failed"
    assert "disk full" in said.reason


JUNK = [
    ToolCall(tool="Bash", input={"command": "\ud800"}),
    ToolCall(tool="Bash", input={"command": "a\x00b"}),
    ToolCall(tool="Bash", input={"command": 7}),
    ToolCall(tool="Bash", input={"command": None}),
    ToolCall(tool="Bash", input={}),
    ToolCall(tool="\ud800", input={}),
    ToolCall(tool="", input={}),
    ToolCall(tool="Write", input={"file_path": ["a"], "content": {}}),
    ToolCall(tool="mcp__a__b", input={"x": float("nan"), "y": 10**400}),
    ToolCall(tool="Bash", input={"command": "x" * 1_000_000}),
    ToolCall(tool="Bash", input={"command": "$(" * 10_000}),
    ToolCall(tool="Bash", input={"command": "ls"}, cwd="\x00", workspace="\ud800"),
    ToolCall(tool="Bash", input={"command": "ls"}, annotations={"readOnlyHint": "yes"}),
]


@pytest.mark.parametrize("call", JUNK, ids=range(len(JUNK)))
def test_junk_is_never_allowed_by_crashing(make_guard: Callable[..., Guard], audit: AuditLog, call: ToolCall) -> None:
    guard = make_guard(decision())
    said = guard.decide_sync(call)
    assert said.verdict in {Verdict.DENY, Verdict.ALLOW}  # the fake engine allows whatever reaches it
    assert len(list(audit.records())) == 1
    assert audit.verify().ok


def test_deep_nesting_is_refused(make_guard: Callable[..., Guard]) -> None:
    deep: Any = "x"
    for _ in range(10_000):
        deep = [deep]
    said = make_guard(decision()).decide_sync(ToolCall(tool="mcp__a__b", input={"deep": deep}))
    assert said.verdict is Verdict.DENY


@pytest.mark.parametrize("confidence", [float("nan"), float("inf"), -0.1, 1.1, 7, "high"])
def test_a_confidence_that_is_none_is_below_every_threshold(
    make_guard: Callable[..., Guard], confidence: float
) -> None:
    guard = make_guard(decision())
    ruling = guard.rule_sync(ToolCall(tool="Read", input={"file_path": "a"}, confidence=confidence))
    assert ruling.document.agent.confidence.known
    assert ruling.document.agent.confidence.value == -1


def test_counters_follow_the_session(make_guard: Callable[..., Guard]) -> None:
    guard = make_guard(decision("deny"), decision("ask"), decision("allow"))
    for _ in range(3):
        guard.rule_sync(CALL)
    counters = guard.rule_sync(CALL).document.context.counters
    assert (counters.calls, counters.denied, counters.asked, counters.consecutive_denied) == (3, 1, 1, 0)
    assert counters.repeats == 3
    other = guard.rule_sync(ToolCall(tool="Bash", input={"command": "ls"}, session=Session(id="s2")))
    assert other.document.context.counters.calls == 0


def test_reading_from_outside_taints_the_session(make_guard: Callable[..., Guard]) -> None:
    guard = make_guard(decision())
    session = Session(id="s")
    fetch = ToolCall(tool="WebFetch", input={"url": "https://example.com/", "prompt": "x"}, session=session)
    assert not guard.rule_sync(fetch).document.context.taint.untrusted
    assert guard.rule_sync(
        ToolCall(tool="Bash", input={"command": "ls"}, session=session)
    ).document.context.taint.untrusted


def test_the_digest_binds_input_place_and_caller(make_guard: Callable[..., Guard]) -> None:
    guard = make_guard(decision())
    calls = [
        CALL,
        ToolCall(tool="Bash", input={"command": "ls -a"}, session=CALL.session),
        ToolCall(tool="Bash", input={"command": "ls"}, cwd="/tmp", session=CALL.session),
        ToolCall(tool="Bash", input={"command": "ls"}, session=Session(id="s1", principal="eve")),
        ToolCall(tool="Bash", input={"command": "ls"}, session=Session(id="s1", principal="dev", agent_id="a")),
    ]
    digests = {guard.rule_sync(call).digest for call in calls}
    assert len(digests) == len(calls)
    assert guard.rule_sync(CALL).digest in digests


async def test_engine_sees_a_complete_document(audit: AuditLog) -> None:
    engine = FakeEngine(decision())
    await Guard(engine=engine, audit=audit).decide(CALL)
    (document,) = engine.asked

    def nulls(value: Any, at: str = "") -> list[str]:
        if value is None:
            return [at]
        if isinstance(value, dict):
            return [n for k, v in value.items() for n in nulls(v, f"{at}.{k}")]
        if isinstance(value, list):
            return [n for i, v in enumerate(value) for n in nulls(v, f"{at}[{i}]")]
        return []

    assert nulls(document) == []
    assert set(document) == {"version", "call", "facts", "agent", "context", "approval"}
