"""OpenTelemetry, OTLP as JSON: our own log records, and the `execute_tool` spans of any instrumented agent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from hitl_opa.model import Session, ToolCall
from hitl_opa.replay.recorded import ERASED, Recorded, Said, convert_decision, document_of


def calls(request: dict[str, Any]) -> Iterator[Recorded | ToolCall]:
    """The decisions in an export request's logs, and the tool calls in its spans that carry their arguments."""
    for resource in request.get("resourceLogs", ()):
        for scope in resource.get("scopeLogs", ()):
            for log in scope.get("logRecords", ()):
                if log.get("eventName") == "hitl.decision":
                    yield _decision(log)
    for resource in request.get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                yield from _span(span)


def _decision(log: dict[str, Any]) -> Recorded:
    about = _attributes(log)
    body = _plain(log.get("body") or {})
    payload = msgspec.json.decode(body) if isinstance(body, str) and body else {}
    document, why_not = document_of(payload.get("input")) if payload else (b"", ERASED)
    said = convert_decision(payload.get("result"))
    if said is None:
        rules = about.get("hitl.rules") or ()
        said = Said(verdict=about.get("hitl.verdict", ""), risk=about.get("hitl.risk", ""), rules=tuple(rules))
    return Recorded(
        id=str(about.get("hitl.decision_id", "")),
        at=str(log.get("timeUnixNano", "")),
        session=str(about.get("gen_ai.conversation.id", "")),
        agent=str(about.get("gen_ai.agent.id", "")),
        tool=str(about.get("gen_ai.tool.name", "")),
        document=document,
        said=said,
        why_not=why_not,
    )


def _span(span: dict[str, Any]) -> Iterator[Recorded | ToolCall]:
    about = _attributes(span)
    if about.get("gen_ai.operation.name") != "execute_tool" and not str(span.get("name")).startswith("execute_tool"):
        return
    tool = str(about.get("gen_ai.tool.name", ""))
    session = str(about.get("gen_ai.conversation.id", ""))
    agent = str(about.get("gen_ai.agent.id", "") or about.get("gen_ai.agent.name", ""))
    given = about.get("gen_ai.tool.call.arguments")
    if isinstance(given, str):
        try:
            given = msgspec.json.decode(given)
        except msgspec.MsgspecError:
            given = None
    id = str(about.get("gen_ai.tool.call.id", "") or span.get("spanId", ""))
    if not tool or not isinstance(given, dict):
        why_not = "its span has no arguments (gen_ai.tool.call.arguments)"
        yield Recorded(id=id, session=session, agent=agent, tool=tool, why_not=why_not)
        return
    yield ToolCall(id=id, tool=tool, input=given, session=Session(id=session, agent_id=agent))


def _attributes(carrier: dict[str, Any]) -> dict[str, Any]:
    return {str(item["key"]): _plain(item.get("value") or {}) for item in carrier.get("attributes", ())}


def _plain(value: dict[str, Any]) -> Any:
    """OTLP's AnyValue as a plain value."""
    for kind, found in value.items():
        match kind:
            case "intValue":
                return int(found)
            case "arrayValue":
                return [_plain(item) for item in found.get("values", ())]
            case "kvlistValue":
                return {str(item["key"]): _plain(item.get("value") or {}) for item in found.get("values", ())}
            case _:
                return found
    return None
