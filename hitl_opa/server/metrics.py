"""``/metrics`` for Prometheus, for who has a key: names of tools and agents are nobody else's business."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hitl_opa.guard import Guard
from hitl_opa.server.decisions import Refused
from hitl_opa.server.keys import find

if TYPE_CHECKING:
    from hitl_opa.metrics.prometheus import Exposition


class Metrics:
    """The endpoint. What the record says is read on from where the last scrape ended."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._exposition: Exposition | None = None

    @property
    def routes(self) -> list[Route]:
        return [Route("/metrics", self.scrape, methods=["GET"])]

    async def scrape(self, request: Request) -> Response:
        if find(self._guard.config.keys, request.headers.get("authorization", "")) is None:
            raise Refused(401, "unauthorized", "scraping takes an API key: Authorization: Bearer <key>")
        try:
            from hitl_opa.metrics.prometheus import CONTENT_TYPE, Exposition
        except ImportError as error:
            raise Refused(
                501, "not-installed", f"metrics need the extra: pip install 'hitl-opa[metrics]' ({error})"
            ) from None
        if self._exposition is None:
            standings = self._guard.standings
            self._exposition = Exposition(self._guard.audit, None if standings is None else standings.all)
        return Response(await asyncio.to_thread(self._exposition.text), media_type=CONTENT_TYPE)
