from __future__ import annotations

import json
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.audit.leaf import commitment, seal
from hitl_opa.audit.merkle import leaf_hash
from hitl_opa.errors import AuditError
from hitl_opa.facts.secrets import redact, suspect
from hitl_opa.model import (
    Agent,
    CallFacts,
    Decision,
    Document,
    PermissionMode,
    Policy,
    Reason,
    Risk,
    Verdict,
)

DOCUMENT = Document(
    call=CallFacts(id="toolu_1", tool="Bash", kind="shell", input={"command": "rm -rf build"}),
    agent=Agent(session="s1", id="a1", principal="ada", level=3, mode=PermissionMode.PLAN),
)
DECISION = Decision(
    verdict=Verdict.ASK,
    risk=Risk.HIGH,
    reason="deletes build",
    reasons=[
        Reason(rule="shell.rm", pack="shell", verdict=Verdict.ASK, risk=Risk.HIGH, message="deletes /home/ada/build")
    ],
    policy=Policy(revision="r1"),
)


def test_a_decision_has_the_shape_of_opas_decision_log() -> None:
    log = AuditLog.open(":memory:", labels={"environment": "test"})
    event = Event.decision(DOCUMENT, DECISION, decision_id="d1", elapsed_ms=1.5, metrics={"timer_hitl_decide_ns": 7})
    receipt = log.append(event)
    (record,) = log.records()
    assert record.leaf["decision_id"] == "d1"
    assert record.leaf["bundles"] == {"hitl": {"revision": "r1"}}
    assert record.leaf["path"] == "hitl/main/decision"
    assert record.leaf["requested_by"] == "ada"
    assert record.leaf["metrics"] == {"timer_hitl_decide_ns": 7}
    assert record.leaf["labels"] == {"app": "hitl-opa", "environment": "test", "id": receipt.stream}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", record.timestamp)
    expected = {"tool": "Bash", "session": "s1", "agent": "a1", "mode": "plan", "level": 3, "call_id": "toolu_1"}
    expected |= {"verdict": "ask", "risk": "high", "rules": ["shell.rm"], "decided_by": "policy", "elapsed_ms": 1.5}
    assert {name: record.get(name) for name in expected} == expected
    assert record.payload is not None
    assert record.payload["input"]["call"]["input"] == {"command": "rm -rf build"}
    assert record.payload["result"]["reason"] == "deletes build"


def test_the_leaf_holds_nothing_of_the_payload_but_a_salted_commitment() -> None:
    log = AuditLog.open(":memory:")
    receipts = [log.append(Event.decision(DOCUMENT, DECISION, decision_id="d", detail="from Ada")) for _ in range(2)]
    lines = [json.loads(line) for line in log.export()]
    for line, receipt in zip(lines, receipts, strict=True):
        leaf = json.dumps(line["leaf"])
        assert "build" not in leaf
        assert "Ada" not in leaf
        exported = next(text for text in log.export() if json.loads(text)["seq"] == line["seq"])
        raw = exported[len('{"leaf":') : exported.index(',"payload":')]
        assert leaf_hash(raw.encode()).hex() == receipt.leaf_hash
        payload = exported[exported.index(',"payload":') + len(',"payload":') : exported.index(',"salt":')]
        salted = sha256(bytes.fromhex(line["salt"]) + payload.encode()).hexdigest()
        assert salted == line["leaf"]["hitl"]["commitment"]
    # the same payload twice cannot be told to be the same
    assert lines[0]["leaf"]["hitl"]["commitment"] != lines[1]["leaf"]["hitl"]["commitment"]


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (
            Event(kind=Kind.REVIEW, decision_id="d", verdict="approve", reviewer="eve", seen="sha256:1", elapsed_ms=9),
            {"kind": "review", "reviewer": "eve", "seen": "sha256:1", "elapsed_ms": 9, "verdict": "approve"},
        ),
        (
            Event(kind=Kind.OUTCOME, decision_id="d", outcome="ran", matches=False, digest="sha256:2"),
            {"kind": "outcome", "outcome": "ran", "matches": False, "digest": "sha256:2"},
        ),
        (Event(kind=Kind.PERMISSION_REQUEST, tool="Write"), {"kind": "permission_request", "tool": "Write"}),
        (Event(kind=Kind.NOTE, extra={"policy": "reloaded"}), {"kind": "note", "extra": {"policy": "reloaded"}}),
        (Event(kind="note"), {"kind": "note"}),  # type: ignore[arg-type]
    ],
)
def test_the_other_kinds(event: Event, fields: dict[str, Any]) -> None:
    log = AuditLog.open(":memory:")
    log.append(event)
    (record,) = log.records()
    assert {name: record.get(name) for name in fields} == fields
    assert record.kind == fields["kind"]
    assert record.payload is None
    assert "path" not in record.leaf
    assert "commitment" not in record.leaf["hitl"]


HOSTILE = ["\ud800", "nul\0", 10**400, float("nan"), {"\udfff": [float("inf")]}, [[[]]], object(), "x" * 2_000_000]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("redact", [None, lambda value: value], ids=["plain", "redacted"])
def test_no_value_costs_the_record(value: Any, redact: Callable[[Any], Any] | None) -> None:
    log = AuditLog.open(":memory:", redact=redact, labels={"l": "\ud800"})
    name = value if isinstance(value, str) else "t"
    event = Event(kind=Kind.DECISION, decision_id=name, tool=name, session=name, principal=name, input=value)
    log.append(msgspec_replace(event, extra={"v": value}, detail={"again": value}))
    assert log.verify().ok
    (record,) = log.records()
    assert record.payload is not None
    assert set(record.payload) == {"input", "detail"}
    assert "$hitl:key" not in next(log.export())


def msgspec_replace(event: Event, **changes: Any) -> Event:
    import msgspec

    return msgspec.structs.replace(event, **changes)


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mask(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_mask(inner) for inner in value]
    return value.replace("hunter2", "[secret:password]") if isinstance(value, str) else value


def test_secrets_never_reach_the_file(path: Any) -> None:
    with AuditLog.open(path, redact=_mask) as log:
        log.append(
            Event(
                kind=Kind.NOTE,
                tool="hunter2",
                principal="hunter2",
                decision_id="hunter2",
                input={"p": ["x hunter2 y"]},
                extra={"e": "hunter2"},
            )
        )
        (record,) = log.records()
        assert record.payload == {"input": {"p": ["x [secret:password] y"]}}
        assert all(b"hunter2" not in file.read_bytes() for file in path.parent.iterdir())


def test_a_failing_redactor_lets_nothing_through() -> None:
    def broken(value: Any) -> Any:
        raise ZeroDivisionError("broken")

    log = AuditLog.open(":memory:", redact=broken)
    with pytest.raises(AuditError, match=r"not recorded.*ZeroDivisionError"):
        log.append(Event(kind=Kind.NOTE, detail="secret"))
    with pytest.raises(AuditError, match="not recorded"):
        AuditLog.open(":memory:", redact=lambda value: None).append(Event(kind=Kind.NOTE, detail="secret"))
    assert list(log.records()) == []


def test_what_is_not_suspect_is_not_looked_at_again() -> None:
    seen: list[str] = []

    def suspect(text: str) -> bool:
        seen.append(text)
        return "hunter2" in text

    log = AuditLog.open(":memory:", redact=_mask, suspect=suspect)
    log.append(Event(kind=Kind.NOTE, tool="Bash", extra={"e": 'a\n"b"'}, detail={"t": "c\\n\0d"}))
    log.append(Event(kind=Kind.NOTE, detail={"hunter2": 1, "deep": ["hunter2"]}))
    log.append(Event(kind=Kind.NOTE, extra={"e": "hunter2"}))
    assert [part in seen[0] for part in ('a\n"b"', "c\\n\0d", "Bash")] == [True] * 3
    assert [record.payload for record in log.records()] == [
        {"detail": {"t": "c\\n\0d"}},
        {"detail": {"hunter2": 1, "deep": ["[secret:password]"]}},
        None,
    ]
    assert [record.get("extra") for record in log.records()][2] == {"e": "[secret:password]"}
    assert log.verify().ok


def test_a_failing_suspicion_lets_nothing_through() -> None:
    def broken(text: str) -> bool:
        raise ZeroDivisionError("broken")

    log = AuditLog.open(":memory:", redact=_mask, suspect=broken)
    with pytest.raises(AuditError, match=r"not recorded.*ZeroDivisionError"):
        log.append(Event(kind=Kind.NOTE, detail="secret"))
    assert list(log.records()) == []


# put together here, so that no scanner takes this file for a leak
SECRETS = ["AKIA" + "A" * 16, "-----BEGIN PRIVATE KEY-----\n", "https://u:" + "hunter22@h/", 'password="' + "hunter22"]
TEXTS = st.text(max_size=4) | st.sampled_from([*SECRETS, "\n", "\\", '"', "\\n", "\0", "\x1f", "\ud800", "é"])
VALUES = st.recursive(
    st.lists(TEXTS, max_size=4).map("".join) | st.floats() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.lists(TEXTS, max_size=3).map("".join), inner),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_suspicion_misses_nothing(extra: Any, detail: Any) -> None:
    event = Event(kind=Kind.NOTE, extra={"e": extra}, detail=detail, timestamp="now")
    sealed = [seal(event, salt=b"s", redact=redact, suspect=judge) for judge in (None, suspect)]
    assert sealed[0] == sealed[1]


def test_the_commitment_is_over_salt_and_payload() -> None:
    sealed = seal(Event(kind=Kind.NOTE, detail=1), salt=b"s" * 32, redact=None)
    assert sealed.payload == b'{"detail":1}'
    assert sealed.leaf["hitl"]["commitment"] == commitment(b"s" * 32, sealed.payload)
    assert sealed.leaf["hitl"]["commitment"] == sha256(b"s" * 32 + b'{"detail":1}').hexdigest()
