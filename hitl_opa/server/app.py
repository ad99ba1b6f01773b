"""The routes."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from hitl_opa import __version__
from hitl_opa.approvals.accounts import Accounts
from hitl_opa.errors import ConfigError
from hitl_opa.guard import Guard
from hitl_opa.model import ToolCall
from hitl_opa.notify.opening import open_routes
from hitl_opa.server.approvals import ApprovalsApi
from hitl_opa.server.decisions import Decisions, Refused, refused
from hitl_opa.server.hooks import Answer, Hooks
from hitl_opa.server.metrics import Metrics
from hitl_opa.server.openapi import openapi

PROBE = ToolCall(tool="AskUserQuestion", input={"questions": []}, id="healthz")


def create_app(guard: Guard, *, hooks: Answer | None = None, socket: bool = False) -> Starlette:
    """The decision API over this guard, and where approvals are kept, theirs and the inbox.

    ``hooks`` answers Claude Code's hooks; with ``socket`` it is served on a Unix socket too, which takes no key.
    Raises ConfigError where nobody could use it: the settings list no key.
    """
    if not guard.config.keys and not socket and guard.approvals is None:
        raise ConfigError("the decision API needs at least one key; make one with: hitl-opa keys new NAME")
    decisions = Decisions(guard)

    async def healthz(_: Request) -> Response:
        """200 while a call can be decided, 503 while it cannot."""
        problem = await guard.problem(PROBE)
        return JSONResponse(
            {"status": "error", "problem": problem} if problem else {"status": "ok"}, 503 if problem else 200
        )

    async def schema_json(_: Request) -> Response:
        return JSONResponse(schema)

    routes: list[BaseRoute] = (
        [Route("/hooks/claude-code", Hooks(guard, hooks).post, methods=["POST"])] if hooks is not None else []
    )
    if guard.approvals is not None:
        from hitl_opa.server.inbox import inbox_routes

        accounts = Accounts(guard.approvals.store)
        routes += ApprovalsApi(guard, guard.approvals).routes
        routes += open_routes(guard.config, guard.approvals)
        routes += inbox_routes(guard.approvals, accounts, guard.audit, guard.config)
    routes += [
        *Metrics(guard).routes,
        Route("/v1/decisions", decisions.decide, methods=["POST"]),
        Route("/v1/data/hitl/main/decision", decisions.opa, methods=["POST"]),
        Route("/healthz", healthz, methods=["GET"]),
        Route("/openapi.json", schema_json, methods=["GET"]),
    ]
    schema = openapi(__version__, {route.path for route in routes if isinstance(route, Route)})
    return Starlette(routes=routes, exception_handlers={Refused: refused})
