"""What if: the latest recorded calls through another policy, or at another autonomy level."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from hitl_opa.audit import AuditLog, Filter
from hitl_opa.config import Config
from hitl_opa.errors import HitlError
from hitl_opa.guard.opening import open_engine
from hitl_opa.replay import Replay, Summary, recorded, summarise
from hitl_opa.replay.candidate import candidate
from hitl_opa.server.inbox.pages import Pages
from hitl_opa.server.inbox.visitor import Visitor

MOST = 500  # calls that one page replays: a second or so of one core
DAYS = (1, 7, 30, 90)
EXAMPLES = 3


class WhatIf:
    """A page that decides nothing. Which policies may be tried is a setting, and no path comes from a form."""

    def __init__(self, audit: AuditLog, config: Config, pages: Pages) -> None:
        self._audit = audit
        self._config = config
        self._pages = pages
        self._one = asyncio.Lock()  # at a time: it takes a core

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """The form, and what it asks for."""
        asked = request.query_params
        policy = asked.get("policy", "")
        level = int(asked["level"]) if asked.get("level") in {"1", "2", "3", "4"} else 0
        days = int(asked["days"]) if asked.get("days", "") in {str(d) for d in DAYS} else DAYS[1]
        summary, problem = None, ""
        if "policy" in asked:
            try:
                async with self._one:
                    summary = await asyncio.to_thread(self._summary, policy, level, days)
            except HitlError as error:
                problem = str(error)
        return self._pages.page(
            "whatif.html",
            visitor,
            here="/inbox/whatif",
            names=sorted(self._config.inbox.what_if),
            policy=policy,
            level=level,
            days=days,
            all_days=DAYS,
            most=MOST,
            summary=summary,
            problem=problem,
        )

    def _summary(self, policy: str, level: int, days: int) -> Summary:
        since = datetime.now(UTC) - timedelta(days=days)
        path = self._config.inbox.what_if.get(policy)
        settings = self._config if path is None else candidate(self._config, [self._config.path(path)])
        engine = open_engine(settings)
        try:
            records = self._audit.tail(MOST, only=Filter(kind="decision", since=since))
            calls = filter(None, (recorded(record.leaf, record.payload) for record in records))
            return summarise(Replay(engine, level=level).all(calls), examples=EXAMPLES)
        finally:
            engine.close_sync()
