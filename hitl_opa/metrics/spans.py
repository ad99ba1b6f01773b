"""What the guard does as OpenTelemetry spans. The only module that knows OpenTelemetry.

Names follow the GenAI conventions where there are any (``execute_tool``, ``gen_ai.tool.name`` …); ours
are below ``hitl.``. What a call contains is never in a span.
"""

from __future__ import annotations

import time
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer


class Spans:
    """Takes the leaf of each record as it is written, and makes a span of it:

    ``hitl.decide`` of a decision, ``hitl.approval`` of people being asked and of each change of an approval,
    ``execute_tool`` of a call that ran. They are children of whatever span is current where the guard
    is called. ``tracer``: default, that of the global provider.
    """

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer or trace.get_tracer("hitl_opa")

    def __call__(self, leaf: dict[str, Any]) -> None:
        ours = leaf["hitl"]
        match ours["kind"]:
            case "decision":
                self._decision(leaf, ours)
            case "review":
                self._span("hitl.approval", leaf, ours, {"hitl.approval.verdict": ours.get("verdict", "")}).end()
            case "approval":
                extra = ours.get("extra", {})
                named = {"approval": "id", "state": "state", "escalated": "escalated"}
                about = {f"hitl.approval.{to}": extra[name] for name, to in named.items() if name in extra}
                self._span("hitl.approval", leaf, ours, about).end()
            case "outcome":
                self._outcome(leaf, ours)
            case _:
                return

    def _decision(self, leaf: dict[str, Any], ours: dict[str, Any]) -> None:
        span = self._span("hitl.decide", leaf, ours, {"hitl.verdict": ours.get("verdict", "")})
        span.set_attribute("hitl.level", ours.get("level", 0))
        if rules := ours.get("rules"):
            span.set_attribute("hitl.rule", rules[0])
        if ours.get("decided_by") == "guard":
            span.set_status(Status(StatusCode.ERROR, "failed closed"))
        span.end()

    def _outcome(self, leaf: dict[str, Any], ours: dict[str, Any]) -> None:
        outcome = ours.get("outcome", "")
        span = self._span(f"execute_tool {ours.get('tool', '')}", leaf, ours, {"hitl.outcome": outcome})
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        if outcome != "ran" or ours.get("matches") is False:
            span.set_status(Status(StatusCode.ERROR, outcome if outcome != "ran" else "ran another input"))
        span.end()

    def _span(self, name: str, leaf: dict[str, Any], ours: dict[str, Any], more: dict[str, Any]) -> Span:
        # a record is written when the thing is over, and says how long it took
        start = time.time_ns() - int(ours.get("elapsed_ms", 0.0) * 1e6)
        span = self._tracer.start_span(name, kind=SpanKind.INTERNAL, start_time=start)
        about = {
            "gen_ai.tool.name": ours.get("tool"),
            "gen_ai.tool.call.id": ours.get("call_id"),
            "gen_ai.agent.id": ours.get("agent"),
            "gen_ai.conversation.id": ours.get("session"),
            "hitl.decision.id": leaf.get("decision_id"),
            "hitl.risk": ours.get("risk"),
        }
        span.set_attributes({key: value for key, value in {**about, **more}.items() if value})
        return span
