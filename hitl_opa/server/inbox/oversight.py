"""Pages over many calls: how well people and agents work together, what was earned, which grants stand."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hitl_opa.approvals.approvals import Approvals
from hitl_opa.audit import UNNAMED, AuditLog
from hitl_opa.autonomy import Standing, climb
from hitl_opa.config import Config
from hitl_opa.errors import ApprovalError
from hitl_opa.metrics import Measures, Ratio, Trail, Trails, alerts, measure
from hitl_opa.metrics.survey import SCORES, rate, survey
from hitl_opa.server.inbox.figures import by_day, by_group
from hitl_opa.server.inbox.pages import Pages, shown
from hitl_opa.server.inbox.visitor import Visitor, Visitors

DAY = 86_400.0
RATES = (
    ("escalation", "calls a person was asked about"),
    ("override", "rejected or edited, of what people decided"),
    ("expiry", "approvals that ran out unanswered"),
    ("rubber_stamp", "approvals faster than anybody reads"),
    ("utilisation", "corrections that led to a change"),
    ("canaries", "planted bad requests caught"),
    ("harm_approved", "incidents among approved calls that ran"),
    ("harm_automatic", "incidents among calls that ran alone"),
)
_BY: dict[str, Callable[[Trail], list[str]]] = {
    "tool": lambda t: [t.tool],
    "agent": lambda t: [t.agent],
    "risk": lambda t: [t.risk],
    "rule": lambda t: list(t.rules[:1]),
    "reviewer": lambda t: sorted({look.reviewer for look in t.looks}),
}
MOST = 30  # groups that a table shows


class Overview:
    """The pages. The record is read on from where the last look ended."""

    def __init__(self, approvals: Approvals, audit: AuditLog, config: Config, visitors: Visitors, pages: Pages) -> None:
        self._approvals = approvals
        self._audit = audit
        self._config = config
        self._visitors = visitors
        self._pages = pages
        self._trails = Trails()
        self._lock = threading.Lock()

    async def effectiveness(self, request: Request, visitor: Visitor) -> Response:
        """The numbers, by group, over time."""
        given = request.query_params
        by = given.get("by", "tool") if given.get("by", "tool") in _BY else "tool"
        days = int(given["days"]) if given.get("days", "").isdigit() else 30
        values = await asyncio.to_thread(self._measured, by, min(days, 3_650), given.get("agent", ""))
        return self._pages.page(
            "effectiveness.html", visitor, here="/inbox/effectiveness", by=by, groups=list(_BY), **values
        )

    async def rate(self, request: Request, visitor: Visitor) -> Response:
        """Say how much one trusts an agent."""
        form = await request.form()
        score, agent = str(form.get("score", "")), str(form.get("agent", ""))
        if score in map(str, SCORES):
            await asyncio.to_thread(
                rate, self._audit, visitor.account.name, agent, int(score), str(form.get("note", "")).strip()
            )
        return RedirectResponse("/inbox/effectiveness", 303)

    async def autonomy(self, _: Request, visitor: Visitor) -> Response:
        """The ladder."""
        found = await asyncio.to_thread(self._climbed)
        return self._pages.page(
            "autonomy.html", visitor, here="/inbox/autonomy", standings=found, earn=self._config.autonomy.earn
        )

    async def grants(self, request: Request, visitor: Visitor) -> Response:
        """What runs without being asked each time."""
        found = await asyncio.to_thread(self._approvals.grants.listed, self._visitors.now())
        return self._pages.page("grants.html", visitor, here="/inbox/grants", grants=found, said=visitor.heard(request))

    async def revoke(self, request: Request, visitor: Visitor) -> Response:
        """End a grant."""
        grants = self._approvals.grants
        try:
            grant = await asyncio.to_thread(grants.get, request.path_params["id"])
        except ApprovalError as error:
            return self._pages.page("problem.html", visitor, 404, here="", title="Not found", words=str(error))
        if grant.reviewer != visitor.account.name and not visitor.may("admin"):
            words = "Only who gave a grant, or an admin, revokes it."
            return self._pages.page("problem.html", visitor, 403, here="", title="Not yours to do", words=words)
        done = await asyncio.to_thread(grants.revoke, grant.id, visitor.account.name, self._visitors.now())
        return RedirectResponse(visitor.going("/inbox/grants", "Revoked." if done else "It was over already."), 303)

    def _read(self) -> Trails:
        self._trails.extend(self._audit.records(after=self._trails.last))
        return self._trails

    def _climbed(self) -> list[Standing]:
        with self._lock:
            return climb(self._read(), self._visitors.now(), self._config.autonomy)

    def _measured(self, by: str, days: int, agent: str) -> dict[str, Any]:
        with self._lock:  # what is read on meanwhile must not change what is counted
            trails = self._read()
            since = self._visitors.now() - days * DAY
            kept = [t for t in trails if t.at >= since and agent in ("", t.agent)]
            whole = measure(trails, kept)
            groups: dict[str, list[Trail]] = defaultdict(list)
            for trail in kept:
                for name in _BY[by](trail):
                    groups[name].append(trail)
            rows = [(name, measure(trails, group)) for name, group in groups.items()]
            figures, by_date = by_day(trails, kept)
            standings = climb(trails, self._visitors.now(), self._config.autonomy)
        rows = [row for row in rows if row[1].calls or row[1].catches]
        rows.sort(key=lambda row: (-row[1].calls, row[0]))
        return {
            "days": days,
            "agent": agent,
            "whole": whole,
            "rates": [
                (n.replace("_", " "), words, percent(getattr(whole, n)), getattr(whole, n)) for n, words in RATES
            ],
            "outside": {a.name.replace("_", " "): a.message for a in alerts(whole, self._config.targets)},
            "rows": [_row(by, name, measures) for name, measures in rows[:MOST]],
            "more": max(0, len(rows) - MOST),
            "figures": figures,
            "groups_figure": by_group(f"Calls by {by}", rows, shown),
            "by_date": by_date[:MOST],
            "trust": [s for s in standings if s.evidence.successes + s.evidence.failures and agent in ("", s.agent)],
            "survey": survey(r for r in trails.ratings if agent in ("", r.agent)),
            "agents": sorted({t.agent for t in kept}) or [self._config.agent or UNNAMED],
        }


def percent(ratio: Ratio) -> str:
    """A share in words."""
    return "-" if ratio.value is None else f"{ratio.value * 100:.1f} %"


def _row(by: str, name: str, measures: Measures) -> list[str]:
    times = measures.resolution
    return [
        name,
        str(measures.calls),
        percent(measures.escalation),
        percent(measures.override),
        percent(measures.rubber_stamp),
        f"{times.p50:.0f} s" if times.n else "-",
        *([percent(measures.catches.get(name, Ratio()))] if by == "reviewer" else []),
    ]
