"""``POST /hooks/…``: an agent's own hooks, answered by an adapter that is handed in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hitl_opa.errors import CallRefused
from hitl_opa.guard import Guard
from hitl_opa.server.decisions import Refused, caller, read_json

Answer = Callable[[Any, str | None, int | None], Awaitable[tuple[str, bytes]]]
"""A hook's input, its principal (None: whoever runs the server) and level (None: the settings') -> word and answer."""


class Hooks:
    """The endpoint. Every status but 200, and every answer that is not whole, blocks the call: nothing was decided."""

    def __init__(self, guard: Guard, answer: Answer) -> None:
        self._guard = guard
        self._answer = answer

    async def post(self, request: Request) -> Response:
        """The answer to one hook. Over the server's own Unix socket, which only its user can open, no key is needed."""
        principal, level = None, None
        if not _over_socket(request):
            key = caller(self._guard, request)
            principal, level = key.principal, key.level
        hook = await read_json(request)
        try:
            word, answer = await self._answer(hook, principal, level)
        except CallRefused as error:
            raise Refused(400, "invalid_parameter", str(error)) from None
        return Response(answer, headers={"x-hitl-answer": word}, media_type="application/json")


def _over_socket(request: Request) -> bool:
    """Whether it came over a Unix socket: those have a path and no port."""
    server = request.scope.get("server")
    return server is not None and server[1] is None
