"""``POST /notify/slack``: somebody pressed a button in Slack."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from hitl_opa.approvals.letters import Letters
from hitl_opa.channels import Slack
from hitl_opa.errors import HitlError, NotifyError
from hitl_opa.guard.log import open_log
from hitl_opa.notify.decider import Decider
from hitl_opa.notify.links import Signer
from hitl_opa.notify.refusals import Refusals
from hitl_opa.notify.request import address_of, body_of
from hitl_opa.notify.slack import Press, SlackTransport, genuine, press
from hitl_opa.notify.transports import Transports

ACK = 2.0  # seconds: Slack shows the person an error after 3
MAX_AGE = 31 * 24 * 3600.0  # seconds; the approval's own clock ends it before
WHAT: Final = "slack-button"


class Buttons:
    """The endpoint. Slack's signature says that it was Slack, the settings whose account the Slack user is."""

    def __init__(self, decider: Decider, transports: Transports, letters: Letters, refusals: Refusals) -> None:
        self._decider = decider
        self._transports = transports
        self._letters = letters
        self._refusals = refusals
        self._running: set[asyncio.Task[None]] = set()
        settings = transports.settings
        self._accounts = {contact.slack: contact.account for contact in settings.people if contact.slack}
        self._channels = [c for c in settings.channels if isinstance(c, Slack) and c.signing_secret]

    async def pressed(self, request: Request) -> Response:
        address = address_of(request)
        try:
            body = await body_of(request)
            channels = await self._decider.run(self._genuine, body, request)
            said = press(body)
            if said is None:  # a link was opened, or Slack asks something else
                return Response(status_code=200)
            channel = next((c for c in channels if c.channel == said.channel), None)
            if channel is None:
                raise NotifyError("the button stands in another conversation")
        except NotifyError as error:
            await self._decider.run(self._refusals.record, WHAT, str(error), address=address)
            return Response(status_code=403)
        except HitlError:  # it could not be looked up: Slack shows an error, and it is pressed again
            return Response(status_code=503)
        # what takes longer than Slack waits goes on after the answer: the message shows what came of it
        task = asyncio.create_task(self._press(said, channel, address))
        self._running.add(task)
        task.add_done_callback(self._done)
        await asyncio.wait({task}, timeout=ACK)
        return Response(status_code=200)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            open_log().error("slack_button_failed", error=repr(error))

    def _genuine(self, body: bytes, request: Request) -> list[Slack]:
        """The channels whose app signed this, for the first time."""
        channels = [
            c for c in self._channels if genuine(body, request.headers, self._transports.secrets([c.signing_secret])[0])
        ]
        if not channels:
            raise NotifyError("the request is not signed by Slack, or too old")
        signature = request.headers["x-slack-signature"]
        if not self._letters.answer(f"slack:{hashlib.sha256(signature.encode()).hexdigest()}", "", {}):
            raise NotifyError("the very same request came before")
        return channels

    async def _press(self, said: Press, channel: Slack, address: str) -> None:
        try:
            await self._decider.run(self._vote, said)
        except HitlError as error:
            await self._decider.run(self._refusals.record, WHAT, f"{said.user}: {error}", address=address)
            await self._tell(channel, said.user, str(error))

    def _vote(self, said: Press) -> None:
        link, _ = Signer(self._transports.secrets(self._transports.settings.keys)).read(WHAT, said.token, MAX_AGE)
        account = self._accounts.get(said.user)
        if account is None:
            raise NotifyError("your Slack user belongs to no account: ask whoever runs hitl-opa")
        approval = self._decider.waiting(link.approval, link.digest)
        reason = "" if said.approves else "Rejected in Slack."
        self._decider.vote(approval, account, approves=said.approves, reason=reason, auth="slack", channel="slack")

    async def _tell(self, channel: Slack, user: str, words: str) -> None:
        transport = self._transports.to(channel.name)
        assert isinstance(transport, SlackTransport)
        try:
            await transport.tell(user, f"Not done: {words}.")
        except NotifyError as error:
            await self._decider.run(self._refusals.record, WHAT, f"{user} could not be told: {error}")
