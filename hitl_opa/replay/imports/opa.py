"""Decision logs of an OPA server that served these policies (and of `hitl-opa audit export --format opa`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hitl_opa.audit.leaf import DECISION_PATH
from hitl_opa.replay.recorded import Recorded, convert_decision, document_of


def decisions(event: dict[str, Any]) -> Iterator[Recorded]:
    """The decision in one event; none where it is about another policy."""
    if str(event.get("path", "")).strip("/") != DECISION_PATH:
        return
    hidden = [str(pointer) for name in ("erased", "masked") for pointer in event.get(name) or ()]
    document, why_not = document_of(event.get("input"))
    if any(pointer.startswith("/input") for pointer in hidden):
        document, why_not = b"", "its input was erased or masked in the log"
    given = event.get("input") if isinstance(event.get("input"), dict) else {}
    agent, call = (given or {}).get("agent") or {}, (given or {}).get("call") or {}
    yield Recorded(
        id=str(event.get("decision_id", "")),
        at=str(event.get("timestamp", "")),
        session=str(agent.get("session", "")),
        agent=str((event.get("labels") or {}).get("agent", "") or agent.get("principal", "") or agent.get("id", "")),
        tool=str(call.get("tool", "")),
        document=document,
        said=convert_decision(event.get("result")),
        why_not=why_not,
    )
