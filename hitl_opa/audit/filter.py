"""Which records somebody wants to see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

_NAMED = ("kind", "verdict", "tool", "session", "agent", "risk", "reviewer", "call_id")
_OUTER = {"principal": "requested_by", "decision_id": "decision_id"}


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which records to read; empty fields match all.

    ``since`` (included) and ``before`` (not): an aware datetime, or RFC 3339 in UTC. ``rule``: one of the
    rules that gave a reason. ``text``: stands somewhere in leaf or payload, capitals or not.
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
        for name in (*_NAMED, *_OUTER):
            if value := getattr(self, name):
                tests.append("instr(leaf, ?) > 0")
                values.append(f'"{_OUTER.get(name, name)}":{_json(value)}')
        if self.rule:
            tests.append("instr(leaf, ?) > 0")
            values.append(_json(self.rule))
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
            and all(not (value := getattr(self, name)) or leaf.get(key) == value for name, key in _OUTER.items())
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
