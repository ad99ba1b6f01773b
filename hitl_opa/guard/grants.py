"""Standing grants: "allow this again", for calls equal to one that a human approved, until it expires."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from datetime import datetime, timedelta

import msgspec

from hitl_opa.audit import digest
from hitl_opa.model import Decision, Facts, GrantFact, ToolCall, Verdict

MAX_SECONDS = 7 * 86_400


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One grant. ``scope``: see `scope_of`; ``waives`` are the rules that asked when it was given, so
    whatever another rule asks later is asked."""

    id: str
    scope: str
    waives: list[str]
    expires: datetime
    reviewer: str


class Grants:
    """The grants of one guard; they end with it."""

    def __init__(self, limit: int = 1_000) -> None:
        self._limit = limit
        self._grants: OrderedDict[str, Grant] = OrderedDict()
        self._lock = threading.Lock()

    def give(
        self, call: ToolCall, facts: Facts, decision: Decision, seconds: float, reviewer: str, now: datetime
    ) -> Grant | None:
        """A grant for calls equal to this one, or None where nothing that asked can be waived."""
        waives = sorted(
            {r.rule for r in decision.reasons if r.verdict is Verdict.ASK and not r.floor and r.risk != "critical"}
        )
        if not waives or seconds <= 0:
            return None
        grant = Grant(
            id=str(uuid.uuid4()),
            scope=scope_of(call, facts),
            waives=waives,
            expires=now + timedelta(seconds=min(seconds, MAX_SECONDS)),
            reviewer=reviewer,
        )
        with self._lock:
            self._grants[grant.scope] = grant
            while len(self._grants) > self._limit:
                self._grants.popitem(last=False)
        return grant

    def covering(self, call: ToolCall, facts: Facts, now: datetime) -> GrantFact:
        """The grant that covers this call, for the input document."""
        if not self._grants:
            return GrantFact()
        with self._lock:
            grant = self._grants.get(scope_of(call, facts))
            if grant is not None and grant.expires <= now:
                del self._grants[grant.scope]
                grant = None
        return GrantFact() if grant is None else GrantFact(id=grant.id, waives=grant.waives, reviewer=grant.reviewer)

    def listed(self, now: datetime) -> list[Grant]:
        """The grants in force."""
        with self._lock:
            return [grant for grant in self._grants.values() if grant.expires > now]

    def revoke(self, id: str) -> bool:
        """End a grant; False where there is none with this id."""
        with self._lock:
            scope = next((grant.scope for grant in self._grants.values() if grant.id == id), None)
            return scope is not None and self._grants.pop(scope, None) is not None


def scope_of(call: ToolCall, facts: Facts) -> str:
    """``sha256:…`` of what makes two calls equal for a grant: tool, input, working directory, principal,
    and what the call does (a script that was changed does something else). The session is not part of it."""
    return digest(
        {
            "tool": call.tool,
            "input": call.input,
            "cwd": call.cwd,
            "principal": call.session.principal,
            "effects": facts.effects,
            "opaque": facts.opaque,
        }
    )
