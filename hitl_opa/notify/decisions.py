"""``POST /notify/webhook``: another system decides, in a signed request."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hitl_opa.approvals.letters import Letters
from hitl_opa.channels import Webhook
from hitl_opa.errors import ApprovalError, HitlError, NotifyError
from hitl_opa.notify.decider import Decider
from hitl_opa.notify.refusals import Refusals
from hitl_opa.notify.request import address_of, body_of
from hitl_opa.notify.transports import Transports
from hitl_opa.notify.webhook import verify

WHAT = "webhook"


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the other system decides. ``approval`` and ``digest`` as they stood in what it was told."""

    approval: str
    digest: str
    verdict: Literal["approve", "reject"]
    reason: str = ""


class Decisions:
    """The endpoint. The key says which channel it is, and with it as which account it decides."""

    def __init__(self, decider: Decider, transports: Transports, letters: Letters, refusals: Refusals) -> None:
        self._decider = decider
        self._transports = transports
        self._letters = letters
        self._refusals = refusals
        self._channels = [c for c in transports.settings.channels if isinstance(c, Webhook) and c.inbound]

    async def decide(self, request: Request) -> Response:
        try:
            body = await body_of(request)
            status, said = await self._decider.run(self._answer, request, body)
        except NotifyError as error:
            await self._decider.run(self._refusals.record, WHAT, str(error), address=address_of(request))
            status, said = 403, {"problem": str(error)}
        except ApprovalError as error:
            await self._decider.run(self._refusals.record, WHAT, str(error), address=address_of(request))
            status, said = 409, {"problem": str(error)}
        except HitlError as error:
            status, said = 503, {"problem": str(error)}
        return Response(msgspec.json.encode(said), status, media_type="application/json")

    def _answer(self, request: Request, body: bytes) -> tuple[int, dict[str, str]]:
        channel, id = self._genuine(request, body)
        key, print_ = f"webhook:{channel.name}:{id}", hashlib.sha256(body).hexdigest()
        before = self._letters.answered(key)
        if before is not None:
            if before.body != print_:
                raise NotifyError("this webhook-id came before, with another body")
            return 200, before.answer
        try:
            said = msgspec.json.decode(body, type=Said)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NotifyError(f"the body is no decision: {error}") from None
        approval = self._decider.waiting(said.approval, said.digest)
        approval = self._decider.vote(
            approval,
            channel.decides_as,
            approves=said.verdict == "approve",
            reason=said.reason[:2_000],
            auth="webhook",
            channel="webhook",
        )
        answer = {"approval": approval.id, "state": str(approval.state)}
        self._letters.answer(key, print_, answer)
        return 200, answer

    def _genuine(self, request: Request, body: bytes) -> tuple[Webhook, str]:
        for channel in self._channels:
            for key in self._transports.secrets(channel.inbound):
                id = verify(body, request.headers, key, channel.name)
                if id is not None:
                    return channel, id
        raise NotifyError("the request is not signed with a key of a channel that may decide, or too old")
