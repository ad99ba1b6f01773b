"""``/v1/approvals``: what waits for people, and their words on it. Who speaks is whom the key belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hitl_opa.approvals import Approval, Person, Query, State
from hitl_opa.approvals.approval import ORDERS
from hitl_opa.approvals.shown import brief, full
from hitl_opa.config import Key
from hitl_opa.errors import ApprovalError, NoSuchApproval, VoteRefused
from hitl_opa.guard import Guard
from hitl_opa.server.decisions import Refused, caller, read_json, reply

if TYPE_CHECKING:
    from hitl_opa.approvals.approvals import Approvals

T = TypeVar("T")
MAX_LISTED = 500
SEES = frozenset({"viewer", "reviewer", "admin"})
ACTS = frozenset({"reviewer", "admin"})


class VoteBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``seen``: digest of what the reviewer was shown; ``look_ms``: how long they looked."""

    approves: bool
    reason: str = ""
    category: str = ""
    seen: str = ""
    look_ms: float = 0.0


class EditBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``input`` runs in place of what was asked for, if policy lets it."""

    input: dict[str, Any]
    reason: str = ""
    category: str = ""
    seen: str = ""
    look_ms: float = 0.0


class AnswerBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``answers``: question text -> answer, one for each question."""

    answers: dict[str, str]
    reason: str = ""
    seen: str = ""
    look_ms: float = 0.0


class CancelBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why it is withdrawn."""

    reason: str = ""


B = TypeVar("B", VoteBody, EditBody, AnswerBody, CancelBody)


class ApprovalsApi:
    """The endpoints. A key without roles is an agent's: it sees its own principal's approvals and decides on none."""

    def __init__(self, guard: Guard, approvals: Approvals) -> None:
        self._guard = guard
        self._approvals = approvals
        # one thread: an embedded policy is loaded once a thread, and approvals are rare
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hitl-opa approvals")

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/v1/approvals", self.list, methods=["GET"]),
            Route("/v1/approvals/{id}", self.get, methods=["GET"]),
            Route("/v1/approvals/{id}/vote", self.vote, methods=["POST"]),
            Route("/v1/approvals/{id}/edit", self.edit, methods=["POST"]),
            Route("/v1/approvals/{id}/answer", self.answer, methods=["POST"]),
            Route("/v1/approvals/{id}/cancel", self.cancel, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:
        """Newest first; ``after`` is the last id of the page before."""
        key = self._caller(request, SEES)
        query = _query(request)
        found = await self._do(lambda: self._approvals.search(query))
        return reply({"approvals": [brief(one) for one in found], "by": key.principal})

    async def get(self, request: Request) -> Response:
        """One of them, with what reviewers are shown."""
        key = caller(self._guard, request)
        id = request.path_params["id"]
        seeing = bool(SEES & set(key.roles))
        try:
            found = await self._do(lambda: self._approvals.get(id))
        except Refused:
            if seeing:
                raise
            found = None  # whether others' ids start so is not for an agent to know
        if found is None or not (seeing or found.principal == key.principal):
            raise Refused(404, "not_found", f"there is no approval {id!r}")
        return reply(full(found))

    async def vote(self, request: Request) -> Response:
        """Approve or reject. The same word again is answered as the first time."""
        return await self._said(
            request,
            VoteBody,
            lambda id, person, body: self._approvals.vote(
                id,
                person,
                approves=body.approves,
                reason=body.reason,
                category=body.category,
                channel="api",
                look_ms=body.look_ms,
                seen=body.seen,
            ),
        )

    async def edit(self, request: Request) -> Response:
        """Approve another input than the asked one; policy decides on it first."""
        return await self._said(
            request,
            EditBody,
            lambda id, person, body: self._approvals.edit(
                id,
                person,
                body.input,
                reason=body.reason,
                category=body.category,
                channel="api",
                look_ms=body.look_ms,
                seen=body.seen,
            ),
        )

    async def answer(self, request: Request) -> Response:
        """Answer the agent's own question."""
        return await self._said(
            request,
            AnswerBody,
            lambda id, person, body: self._approvals.answer(
                id, person, body.answers, reason=body.reason, channel="api", look_ms=body.look_ms, seen=body.seen
            ),
        )

    async def cancel(self, request: Request) -> Response:
        """Withdraw what waits, or what was approved and is not used yet."""
        return await self._said(
            request, CancelBody, lambda id, person, body: self._approvals.cancel(id, person.name, body.reason)
        )

    async def _said(self, request: Request, kind: type[B], say: Callable[[str, Person, B], Approval]) -> Response:
        key = self._caller(request, ACTS)
        body = _body(await read_json(request), kind)
        person = Person(
            name=key.principal, groups=frozenset(key.groups), roles=frozenset(key.roles), auth=f"key:{key.name}"
        )
        given = request.path_params["id"]

        def do() -> Approval:
            return say(self._approvals.get(given).id, person, body)

        return reply(brief(await self._do(do)))

    def _caller(self, request: Request, roles: frozenset[str]) -> Key:
        key = caller(self._guard, request)
        if not roles & set(key.roles):
            raise Refused(403, "forbidden", f"the key {key.name!r} has none of the roles {', '.join(sorted(roles))}")
        return key

    async def _do(self, what: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, what)
        except NoSuchApproval as error:
            raise Refused(404, "not_found", str(error)) from None
        except VoteRefused as error:
            raise Refused(403, "forbidden", str(error)) from None
        except ApprovalError as error:
            raise Refused(409, "conflict", str(error)) from None


def _query(request: Request) -> Query:
    given = dict(request.query_params)
    states = [s for s in given.pop("state", "").split(",") if s]
    try:
        limit = int(given.pop("limit", "100"))
        if not 0 < limit <= MAX_LISTED:
            raise ValueError(f"limit is 1 to {MAX_LISTED}")
        named = frozenset(State(state) for state in states)
        wanted = given.pop("order", "newest")
        order = next((known for known in ORDERS if known == wanted), None)
        if order is None:
            raise ValueError(f"order is {' or '.join(ORDERS)}")
        if unknown := set(given) - {"text", "agent", "tool", "risk", "session", "after"}:
            raise ValueError(f"there is no parameter {sorted(unknown)[0]!r}")
    except ValueError as error:
        raise Refused(400, "invalid_parameter", str(error)) from None
    return Query(states=named, limit=limit, order=order, **given)


def _body(value: Any, kind: type[B]) -> B:
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Refused(400, "invalid_parameter", f"the body is none: {error}") from None
