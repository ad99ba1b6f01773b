"""Standing grants of one guard: in its memory, or, with durable approvals, beside those."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from hitl_opa.audit import Event, Kind, digest
from hitl_opa.model import Decision, Facts, GrantScope, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from hitl_opa.approvals.grant import Grant
    from hitl_opa.guard.ruling import Ruling


class Grants:
    """Grants that end with the guard. ``record`` puts an event on the record and raises where it cannot."""

    def __init__(self, record: Callable[[Event], object], limit: int = 1_000) -> None:
        self._record = record
        self._limit = limit
        self._grants: OrderedDict[str, Grant] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, grant: Grant) -> None:
        """Give it, on the record first."""
        detail = {"grant": msgspec.to_builtins(grant)}
        self._record(
            Event(
                kind=Kind.NOTE,
                tool=grant.tool,
                principal=grant.principal,
                session=grant.session,
                reviewer=grant.reviewer,
                extra={"grant": grant.id, "what": "granted"},
                detail=detail,
            )
        )
        with self._lock:
            self._grants[grant.id] = grant
            while len(self._grants) > self._limit:
                self._grants.popitem(last=False)

    def candidates(self, principal: str, session: str, scope: str, now: float, limit: int = 8) -> list[Grant]:
        """Grants that may cover a call of this principal and session, those for equal calls first."""
        with self._lock:
            found = [
                grant
                for grant in reversed(self._grants.values())
                if grant.holds(now)
                and grant.principal == principal
                and grant.session in ("", session)
                and grant.scope in ("", scope)
            ]
        return sorted(found, key=lambda grant: not grant.scope)[:limit]

    def use(self, id: str, now: float) -> bool:
        """Count a use. False where nothing is left of it by now."""
        with self._lock:
            grant = self._grants.get(id)
            if grant is None or not grant.holds(now):
                return False
            self._grants[id] = msgspec.structs.replace(grant, uses=grant.uses + 1, used_at=now)
            return True

    def listed(self, now: float) -> list[Grant]:
        """The grants in force."""
        with self._lock:
            return [grant for grant in self._grants.values() if grant.holds(now)]

    def revoke(self, id: str, by: str, now: float) -> bool:
        """End a grant; False where there is none with this id."""
        with self._lock:
            grant = self._grants.get(id)
            if grant is None or not grant.holds(now):
                return False
            self._grants[id] = msgspec.structs.replace(grant, revoked_at=now, revoked_by=by)
            return True


def equal_grant(ruling: Ruling, seconds: float, reviewer: str, now: float) -> Grant | None:
    """A grant for calls equal to this one, or None where nothing that asked can be waived."""
    call = ruling.call
    from hitl_opa.approvals.grant import new_grant

    grant = new_grant(
        "equal", ruling.decision, principal=call.session.principal, reviewer=reviewer, seconds=seconds, now=now
    )
    if grant is None:
        return None
    return msgspec.structs.replace(
        grant, tool=call.tool, scope=scope_of(call, ruling.document.facts), decision_id=ruling.id
    )


def plan_grant(ruling: Ruling, reviewer: str, now: float) -> Grant | None:
    """A grant for what the approved plan covers, as policy says in its approval; None where it covers nothing."""
    session = ruling.call.session
    covers = _covers(ruling.decision)
    if covers is None or not session.id:
        return None
    effects, waives, seconds = covers
    from hitl_opa.approvals.grant import new_grant

    grant = new_grant("plan", ruling.decision, principal=session.principal, reviewer=reviewer, seconds=seconds, now=now)
    if grant is None:
        return None
    return msgspec.structs.replace(
        grant, session=session.id, agent=session.agent_id, effects=effects, waives=waives, decision_id=ruling.id
    )


class _Covers(msgspec.Struct, frozen=True):
    effects: list[GrantScope]
    waives: list[str]
    expires_in: float


def _covers(decision: Decision) -> tuple[list[GrantScope], list[str], float] | None:
    obligation = decision.obligation("approval")
    stated = obligation.properties.get("covers") if obligation else None
    if not stated:
        return None
    covers = msgspec.convert(stated, _Covers)
    return (covers.effects, covers.waives, covers.expires_in) if covers.effects and covers.waives else None


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
