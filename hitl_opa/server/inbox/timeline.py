"""What happened in a session, from the record."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hitl_opa.audit import AuditLog, Filter, Record

MOST = 500  # entries of one session
LOOKED = 5_000  # latest records in which sessions are looked for


def sessions(audit: AuditLog) -> list[dict[str, Any]]:
    """The sessions of the latest records, the last one first."""
    found: dict[str, Counter[str]] = {}
    last: dict[str, str] = {}
    for record in audit.tail(LOOKED, only=Filter(kind="decision")):
        session = str(record.get("session"))
        if session:
            found.setdefault(session, Counter()).update({"calls": 1, str(record.get("verdict")): 1})
            last[session] = record.timestamp
    return [
        {
            "id": id,
            "calls": found[id]["calls"],
            "asked": found[id]["ask"],
            "denied": found[id]["deny"],
            "last": _time(last[id]),
        }
        for id in sorted(found, key=lambda id: last[id], reverse=True)
    ]


def entries(audit: AuditLog, session: str) -> list[dict[str, Any]]:
    """What is on record of a session, oldest first."""
    return [entry for r in audit.tail(MOST, only=Filter(session=session)) if (entry := _entry(r)) is not None]


def _entry(record: Record) -> dict[str, Any] | None:
    extra: dict[str, Any] = record.get("extra", {})
    verdict, tool = str(record.get("verdict")), str(record.get("tool"))
    payload = record.payload or {}
    match record.kind:
        case "decision":
            words = str((payload.get("result") or {}).get("reason", ""))
            title = f"{tool}: {verdict}"
        case "review":
            said = payload.get("result") or {}
            title, words = f"{record.get('reviewer')}: {verdict}", str(said.get("reason", "")) if said else ""
        case "approval":
            title, words = (
                f"approval {extra.get('state', 'escalated')}",
                str((payload.get("detail") or {}).get("reason", "")),
            )
        case "outcome":
            title, words = f"{tool} {record.get('outcome')}", str((payload.get("detail") or {}).get("error", ""))
        case _:
            return None
    return {
        "at": _time(record.timestamp),
        "title": title,
        "words": words,
        "verdict": verdict if record.kind == "decision" else "",
        "risk": str(record.get("risk")) if record.kind == "decision" else "",
        "approval": str(extra.get("approval", "")),
    }


def _time(timestamp: str) -> str:
    return f"{timestamp[:10]} {timestamp[11:19]}Z"
