from __future__ import annotations

import pytest
from doubles import FakeEngine

from hitl_opa import Guard, ToolCall
from hitl_opa.audit import AuditLog, Event, Filter, Kind
from hitl_opa.audit.erasure import erase
from hitl_opa.config import Config
from hitl_opa.errors import EngineError
from hitl_opa.model import Session
from hitl_opa.replay import Recorded, Said, recorded
from hitl_opa.replay.recorded import ERASED, document_of, read_decision


def of(log: AuditLog) -> list[Recorded | None]:
    return [recorded(record.leaf, record.payload) for record in log.records()]


def decided(log: AuditLog, engine: object = None) -> None:
    from hitl_opa.guard.opening import open_engine

    guard = Guard(engine=engine or open_engine(Config()), audit=log, config=Config(level=3))  # type: ignore[arg-type]
    session = Session(id="s", agent_id="bot")
    guard.decide_sync(ToolCall(tool="Bash", input={"command": "rm -rf /"}, cwd="/w", session=session))


def test_a_decision_of_policy(log: AuditLog) -> None:
    decided(log)
    log.append(Event(kind=Kind.NOTE))
    (found, note) = of(log)
    assert note is None
    assert found is not None
    assert (found.tool, found.agent, found.session, found.why_not) == ("Bash", "bot", "s", "")
    assert found.said is not None
    assert (found.said.verdict, found.said.risk) == ("deny", "critical")
    assert found.said.rules
    assert b'"command":"rm -rf /"' in found.document


def test_an_erased_one_keeps_its_verdict_and_cannot_be_replayed(log: AuditLog) -> None:
    decided(log)
    erase(log, Filter(session="s"), by="ann")
    found = of(log)[0]
    assert found is not None
    assert (found.why_not, found.document) == (ERASED, b"")
    assert found.said is not None
    assert found.said.verdict == "deny"


def test_what_the_guard_decided_without_policy_cannot_be_replayed(log: AuditLog) -> None:
    decided(log, FakeEngine(EngineError("down")))
    found = of(log)[0]
    assert found is not None
    assert found.why_not == "the guard decided it without policy"


@pytest.mark.parametrize("value", [None, [], {}, {"call": []}, {"call": {}}, {"call": {}, "version": "0"}])
def test_what_is_no_document_of_this_version(value: object) -> None:
    text, why_not = document_of(value)
    assert text == b""
    assert "input document" in why_not


def test_a_decision_as_far_as_it_is_compared() -> None:
    raw = (
        b'{"verdict":"ask","risk":"high","reasons":[{"rule":"b","verdict":"ask"},{"rule":"a","verdict":"allow"},'
        b'{"rule":"c","verdict":"ask"}],"obligations":[{"type":"approval","properties":{"quorum":2}},{"type":"log"}]}'
    )
    assert read_decision(raw) == Said(verdict="ask", risk="high", rules=("b", "c"), quorum=2)
    with pytest.raises(EngineError, match="shape"):
        read_decision(b'{"risk":"low"}')
