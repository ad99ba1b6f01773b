"""Which records somebody wants to see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

_NAMED = ("kind", "verdict", "tool", "session", "agent", "risk", "reviewer", "call_id")


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which records to read; empty fields match all.

    ``since`` (included) and ``before`` (not): an aware datetime, or RFC 3339 in UTC. ``decision_id``: how it
    starts. ``rule``: one of those that gave a reason. ``text``: stands somewhere in leaf or payload, capitals
    or not.
    """

    kind: str = ""
    verdict: str = ""
    tool: str = ""
    session: str = ""
    agent: str = ""
    risk: str = ""
    reviewer: str = ""
    call_id: str = ""
    principal: str = ""
    decision_id: str = ""
    rule: str = ""
    text: str = ""
    since: datetime | str = ""
    before: datetime | str = ""

    def where(self) -> tuple[str, list[str]]:
        """A condition on leaf and payload: canonical JSON has one spelling, so a field is a substring."""
        tests, values = ["TRUE"], []
        held = [f'"{name}":{_json(value)}' for name in _NAMED if (value := getattr(self, name))]
        held += [f'"requested_by":{_json(self.principal)}'] * bool(self.principal)
        held += [f'"decision_id":{_json(self.decision_id)[:-1]}'] * bool(self.decision_id)
        held += [_json(self.rule)] * bool(self.rule)
        for part in held:
            tests.append("instr(leaf, ?) > 0")
            values.append(part)
        if self.text:
            tests.append("(instr(lower(leaf), lower(?)) > 0 OR instr(lower(coalesce(payload, '')), lower(?)) > 0)")
            values += [_json(self.text)[1:-1]] * 2
        return " AND ".join(tests), values

    def matches(self, leaf: Mapping[str, Any]) -> bool:
        """Whether the record with this leaf is wanted, as far as its leaf tells."""
        ours = leaf["hitl"]
        at = leaf["timestamp"]
        return (
            at >= _utc(self.since)
            and (not self.before or at < _utc(self.before))
            and all(not (value := getattr(self, name)) or ours.get(name) == value for name in _NAMED)
            and (not self.principal or leaf.get("requested_by") == self.principal)
            and (not self.decision_id or str(leaf.get("decision_id", "")).startswith(self.decision_id))
            and (not self.rule or self.rule in ours.get("rules", ()))
        )

    def named(self) -> dict[str, str]:
        """The fields that are set, as text."""
        return {name: _utc(value) for name in self.__struct_fields__ if (value := getattr(self, name))}


def _json(value: object) -> str:
    return msgspec.json.encode(str(value)).decode()


def _utc(value: datetime | str) -> str:
    text = value if isinstance(value, str) else value.astimezone(UTC).isoformat()[:26]
    return text.removesuffix("Z")
