"""``POST /v1/decisions`` and OPA's ``POST /v1/data/hitl/main/decision``."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hitl_opa.audit.batch import Batch
from hitl_opa.config import Key
from hitl_opa.guard import Guard, Ruling
from hitl_opa.guard.referee import call_of
from hitl_opa.model import Document, ToolCall
from hitl_opa.server.keys import find

MAX_BODY = 4_000_000  # bytes
MAX_CALLS = 1_000

_encoder = msgspec.json.Encoder()


class Refused(Exception):
    """A request that gets no decision: an HTTP status, and OPA's error code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Decisions:
    """The endpoints. A deny is an answer (200); other statuses mean that nothing was decided."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._batch = Batch(guard.audit)

    async def decide(self, request: Request) -> Response:
        """One tool call -> one decision; ``{"calls": [...]}`` -> ``{"decisions": [...]}``, in order."""
        key = caller(self._guard, request)
        body = await read_json(request)
        if isinstance(body, dict) and set(body) == {"calls"}:
            calls = body["calls"]
            if not isinstance(calls, list) or len(calls) > MAX_CALLS:
                raise Refused(400, "invalid_parameter", f"calls must be a list of at most {MAX_CALLS} tool calls")
            parsed = [_call(call, f"calls[{i}]") for i, call in enumerate(calls)]
            return reply({"decisions": [_shown(await self._rule(call, key)) for call in parsed]})
        return reply(_shown(await self._rule(_call(body, "body"), key)))

    async def opa(self, request: Request) -> Response:
        """``{"input": …}`` -> ``{"result": …, "decision_id": …}``, as OPA answers.

        The input is a tool call, or an input document. Of a document only the call and its place are
        taken: facts are read again here, and principal and level are the key's.
        """
        key = caller(self._guard, request)
        body = await read_json(request)
        if not isinstance(body, dict) or not isinstance(body.get("input"), dict):
            raise Refused(400, "invalid_parameter", "the body must be an object with the object `input`")
        given = body["input"]
        call = _of_document(given) if "call" in given else _call(given, "input")
        ruling = await self._rule(call, key)
        return reply({"result": ruling.decision, "decision_id": ruling.id})

    async def _rule(self, call: ToolCall, key: Key) -> Ruling:
        session = msgspec.structs.replace(call.session, principal=key.principal)
        return await self._guard.rule(
            msgspec.structs.replace(call, session=session), level=key.level, batch=self._batch
        )


def caller(guard: Guard, request: Request) -> Key:
    """Whose key the request carries. Raises Refused."""
    key = find(guard.config.keys, request.headers.get("authorization", ""))
    if key is None:
        raise Refused(401, "unauthorized", "give a key that hitl.yaml lists: Authorization: Bearer hitl_…")
    return key


async def read_json(request: Request) -> Any:
    """The body, decoded. Raises Refused for one that is too large or no JSON."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise Refused(413, "request_too_large", f"the body is over {MAX_BODY} bytes")
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, "invalid_parameter", f"the body is not JSON: {error}") from None


def _call(value: Any, where: str) -> ToolCall:
    try:
        return msgspec.convert(value, ToolCall)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Refused(400, "invalid_parameter", f"{where} is no tool call: {error}") from None


def _of_document(value: Any) -> ToolCall:
    try:
        document = msgspec.convert(value, Document)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Refused(400, "invalid_parameter", f"input is no input document: {error}") from None
    given = call_of(document)
    # who asks and how sure they are is not for the body to say
    return msgspec.structs.replace(given, confidence_verified=False)


def _shown(ruling: Ruling) -> msgspec.Raw:
    """The decision, with the ids in front."""
    ids = _encoder.encode({"id": ruling.call.id, "decision_id": ruling.id})
    return msgspec.Raw(ids[:-1] + b"," + _encoder.encode(ruling.decision)[1:])


def reply(value: Any, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(_encoder.encode(value), status, media_type="application/json")


async def refused(_: Request, error: Exception) -> Response:
    """OPA's error shape."""
    assert isinstance(error, Refused)
    headers = {"www-authenticate": "Bearer"} if error.status == 401 else None
    body = _encoder.encode({"code": error.code, "message": error.message})
    return Response(body, error.status, headers=headers, media_type="application/json")
