"""Records in other people's formats: CSV, OPA's decision log, OpenTelemetry's logs."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Protocol

import msgspec

from hitl_opa import __version__
from hitl_opa.audit.leaf import Kind, Record

_json = msgspec.json.Encoder(order="sorted")
_BATCH = 1000  # log records in one OTLP request
_COLUMNS = (
    *("timestamp", "kind", "decision_id", "call_id", "tool", "session", "agent", "principal", "mode", "level"),
    *("verdict", "risk", "rules", "reason", "decided_by", "reviewer", "outcome", "matches", "elapsed_ms"),
    *("digest", "seen", "revision", "stream", "seq"),
)
_FORMULA = tuple("=+-@＝＋－＠'")  # a spreadsheet would run what starts so, or takes away what marks it as text
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SEVERITY = {"deny": (13, "WARN"), "ask": (10, "INFO2"), "failed": (17, "ERROR"), "reject": (13, "WARN")}
# OpenTelemetry's own names where it has one; the rest is ours
_NAMES = {"tool": "gen_ai.tool.name", "call_id": "gen_ai.tool.call.id", "agent": "gen_ai.agent.id"}
_NAMES["session"] = "gen_ai.conversation.id"


class Writable(Protocol):
    """What is used of a text file."""

    def write(self, text: str, /) -> object: ...


def csv_lines(records: Iterable[Record], file: Writable) -> None:
    """A header and a line a record, RFC 4180, without payloads but for the reason.

    Characters that nobody sees are escaped as in Python (``\\u202e``), and so is the backslash; what a spreadsheet
    would run has an apostrophe before it.
    """
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    for record in records:
        writer.writerow([_cell(_value(record, column)) for column in _COLUMNS])


def opa_events(records: Iterable[Record]) -> Iterator[str]:
    """OPA decision-log events, one JSON object each; what is ours beside them is under ``custom``.

    Where the payload was erased, ``erased`` names the paths, as OPA does for masked ones.
    """
    for record in records:
        if record.kind != Kind.DECISION:
            continue
        event = {name: value for name, value in record.leaf.items() if name != "hitl"}
        payload = record.payload or {}
        event.update({name: payload[name] for name in ("input", "result") if name in payload})
        if record.payload is None and record.get("commitment"):
            event["erased"] = ["/input", "/result"]
        yield _json.encode({**event, "custom": {"hitl": record.leaf["hitl"]}}).decode()


def otel_logs(records: Iterable[Record]) -> Iterator[str]:
    """OTLP/JSON export requests of up to a thousand log records, one a line; the body is the payload as JSON."""
    rest = iter(records)
    resource = {"attributes": [_attribute("service.name", "hitl-opa")]}
    scope = {"name": "hitl-opa", "version": __version__}
    while batch := list(islice(rest, _BATCH)):
        logs = [{"scope": scope, "logRecords": [_log_record(record) for record in batch]}]
        yield _json.encode({"resourceLogs": [{"resource": resource, "scopeLogs": logs}]}).decode()


def _log_record(record: Record) -> dict[str, Any]:
    said = str(record.get("verdict") or record.get("outcome"))
    number, text = _SEVERITY.get(said, (9, "INFO"))
    leaf = record.leaf
    ours = {_NAMES.get(name, f"hitl.{name}"): value for name, value in leaf["hitl"].items()}
    ours.update({f"hitl.{name}": leaf[name] for name in ("decision_id", "requested_by") if name in leaf})
    ours["hitl.policy.revision"] = _value(record, "revision")
    at = str(_nanoseconds(record.timestamp))
    found = {
        "timeUnixNano": at,
        "observedTimeUnixNano": at,
        "severityNumber": number,
        "severityText": text,
        "eventName": f"hitl.{record.kind}",
        "attributes": [_attribute(name, value) for name, value in sorted(ours.items()) if value != ""],
    }
    if record.payload is not None:
        found["body"] = {"stringValue": _json.encode(record.payload).decode()}
    return found


def _attribute(name: str, value: Any) -> dict[str, Any]:
    return {"key": name, "value": _any_value(value)}


def _any_value(value: Any) -> dict[str, Any]:
    """OTLP's AnyValue; 64-bit integers are strings in its JSON."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_any_value(item) for item in value]}}
    return {"stringValue": value if isinstance(value, str) else _json.encode(value).decode()}


def _nanoseconds(text: str) -> int:
    """RFC 3339 in UTC, as a leaf has it, as nanoseconds since the epoch."""
    whole, _, rest = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * 1_000_000_000 + int(rest[:9].ljust(9, "0"))


def _value(record: Record, column: str) -> Any:
    match column:
        case "timestamp" | "decision_id":
            return record.leaf.get(column, "")
        case "principal":
            return record.leaf.get("requested_by", "")
        case "revision":
            return record.leaf.get("bundles", {}).get("hitl", {}).get("revision", "")
        case "reason":
            return ((record.payload or {}).get("result") or {}).get("reason", "")
        case "rules":
            return " ".join(record.get("rules", []))
        case _:
            return record.get(column)


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value if value.isascii() and value.isprintable() and "\\" not in value else "".join(map(_seen, value))
    return f"'{text}" if text.startswith(_FORMULA) else text


def _seen(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if unicodedata.category(character) not in _UNSEEN:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
