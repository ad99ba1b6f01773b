from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hitl_opa.audit import AuditLog, Event, Filter, Kind
from hitl_opa.audit.erasure import erase
from hitl_opa.audit.formats import csv_lines, opa_events, otel_logs
from hitl_opa.model import CallFacts, Decision, Document, Facts, Policy, Reason, Risk, Verdict

Make = Callable[..., Event]
DOCUMENT = Document(call=CallFacts(id="c", tool="Bash", kind="shell", input={}), facts=Facts())


@pytest.fixture
def full(path: Path) -> Iterator[AuditLog]:
    """A decision with everything, its review and its outcome, and an erased one."""
    reason = Reason(rule="shell.x", pack="shell", verdict=Verdict.DENY, risk=Risk.HIGH, message='no, "never"\n')
    decision = Decision(
        verdict=Verdict.DENY, risk=Risk.HIGH, reason="=1+1", reasons=[reason], policy=Policy(revision="r1")
    )
    with AuditLog.open(path, labels={"environment": "test"}) as log:
        metrics = {"timer_rego_query_eval_ns": 5}
        log.append(Event.decision(DOCUMENT, decision, decision_id="d0", elapsed_ms=1.5, metrics=metrics))
        log.append(Event(kind=Kind.REVIEW, decision_id="d0", tool="=cmd|x", verdict="reject", reviewer="ann"))
        log.append(Event(kind=Kind.OUTCOME, decision_id="d0", outcome="blocked", timestamp="2026-01-02T03:04:05.5Z"))
        log.append(Event.decision(DOCUMENT, decision, decision_id="gone"))
        erase(log, Filter(decision_id="gone"), by="ann")
        yield log


def test_csv_is_a_line_a_record_and_runs_nothing(full: AuditLog) -> None:
    out = io.StringIO(newline="")
    csv_lines(full.records(), out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    assert [row["kind"] for row in rows] == ["decision", "review", "outcome", "decision", "erasure"]
    assert (rows[0]["verdict"], rows[0]["rules"], rows[0]["reason"], rows[0]["revision"]) == (
        "deny",
        "shell.x",
        "'=1+1",
        "r1",
    )
    assert rows[1]["tool"] == "'=cmd|x"
    assert rows[2]["timestamp"] == "2026-01-02T03:04:05.5Z"
    assert not any(value.startswith(("=", "+", "@")) for row in rows for value in row.values())


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''", "＝1", "a\rb", "a\nb\x00c\x1b[31md"),
        *(
            "\x85x",
            "\u2028=1",
            "\u202etxt.exe",
            "\ufeff=1",
            "\u200b=1",
            "\U000e0041",
            "C:\\new",
            "\\u000a",
            "naïve ✓",
            "-",
        ),
    ],
)
def test_a_cell_of_csv_is_seen_as_it_is_runs_nothing_and_can_be_read_back(path: Path, text: str) -> None:
    out = io.StringIO(newline="")
    with AuditLog.open(path) as log:
        log.append(Event(kind=Kind.NOTE, tool=text))
        csv_lines(log.records(), out)
    (row,) = csv.DictReader(io.StringIO(out.getvalue(), newline=""))
    assert out.getvalue().count("\r\n") == len(out.getvalue().splitlines()) == 2
    assert not row["tool"].startswith(tuple("=+-@\t\r\n＝"))
    assert all(unicodedata.category(character)[0] != "C" for character in row["tool"])
    read = row["tool"].removeprefix("'").encode("latin-1", "backslashreplace").decode("unicode_escape")  # as documented
    assert read == text


def test_opa_events_are_decisions_as_opa_logs_them(full: AuditLog) -> None:
    one, erased = map(json.loads, opa_events(full.records()))
    assert one["decision_id"] == "d0"
    assert one["path"] == "hitl/main/decision"
    assert one["bundles"] == {"hitl": {"revision": "r1"}}
    assert one["labels"]["environment"] == "test"
    assert one["metrics"] == {"timer_rego_query_eval_ns": 5}
    assert one["input"]["version"] == DOCUMENT.version
    assert one["result"]["verdict"] == "deny"
    assert one["custom"]["hitl"]["kind"] == "decision"
    assert set(one) <= {
        *("labels", "decision_id", "bundles", "path", "input", "result", "requested_by", "timestamp", "metrics"),
        *("erased", "custom"),
    }
    assert erased["erased"] == ["/input", "/result"]
    assert "input" not in erased


def test_otel_logs_are_what_the_protocol_wants(full: AuditLog) -> None:
    from google.protobuf.json_format import Parse
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    (line,) = otel_logs(full.records())
    request = Parse(line, ExportLogsServiceRequest())
    logs = request.resource_logs[0].scope_logs[0].log_records
    assert [log.event_name for log in logs] == [
        *("hitl.decision", "hitl.review", "hitl.outcome", "hitl.decision", "hitl.erasure")
    ]
    assert logs[2].time_unix_nano == 1_767_323_045_500_000_000
    first = {a.key: a.value for a in logs[0].attributes}
    assert first["hitl.verdict"].string_value == "deny"
    assert [v.string_value for v in first["hitl.rules"].array_value.values] == ["shell.x"]
    assert first["hitl.elapsed_ms"].double_value == 1.5
    assert first["hitl.seq"].int_value == 0
    assert first["hitl.policy.revision"].string_value == "r1"
    assert json.loads(logs[0].body.string_value)["result"]["verdict"] == "deny"
    assert not logs[3].HasField("body")


def test_otel_logs_come_by_the_thousand(log: AuditLog, event: Make) -> None:
    log.write([log.seal(event(number)) for number in range(1001)])
    sizes = [
        len(json.loads(line)["resourceLogs"][0]["scopeLogs"][0]["logRecords"]) for line in otel_logs(log.records())
    ]
    assert sizes == [1000, 1]
