"""Every channel says what is so: letters are written, and brought up to date, until nothing in them waits."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from hitl_opa.approvals import Approval, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.letter import Letter, Link
from hitl_opa.approvals.letters import Letters
from hitl_opa.channels import Email
from hitl_opa.errors import NotifyError
from hitl_opa.notify.decider import Directory
from hitl_opa.notify.links import Signer
from hitl_opa.notify.message import bound, message
from hitl_opa.notify.routing import Address, addresses
from hitl_opa.notify.transports import Transports

LEASE = 90.0  # seconds; longer than any transport takes
_FINAL = frozenset(State) - {State.PENDING, State.APPROVED, State.EXECUTING, State.UNKNOWN}


class Delivery:
    """Two steps, each of which may be done any number of times: who is to be told of an approval, and one
    reader of one channel brought up to date. Nothing here changes an approval."""

    def __init__(self, approvals: Approvals, letters: Letters, transports: Transports, directory: Directory) -> None:
        self._approvals = approvals
        self._letters = letters
        self._transports = transports
        self._directory = directory

    def route(self, id: str) -> list[Address]:
        """Note who is to be told of this approval; returns everybody whose letters may have to change."""
        approval = self._approvals.get(id)
        found = addresses(approval, self._transports, self._directory) if approval.state is State.PENDING else []
        return [Address(*known) for known in self._letters.address(id, approval.escalated, found)]

    async def deliver(self, address: Address) -> None:
        """Bring this reader up to date. Raises NotifyError, ConfigError; done again, it goes on where it failed."""
        for letter in self._letters.open(address.channel, address.audience):
            await self._bring(letter, address)

    async def _bring(self, letter: Letter, address: Address) -> None:
        about = [self._approvals.get(id) for id in letter.approvals]
        over = all(approval.state in _FINAL for approval in about)
        said = message(letter.id, about, self._transports.settings.base_url, self._links(letter, about, address))
        if letter.ref is None and not said.waiting:
            self._letters.close(letter.id)  # decided before anybody was told: there is nothing to tell
            return
        transport = self._transports.to(address.channel, address.audience)
        wanted = letter.ref is None or transport.updates == "all" or (transport.updates == "end" and not said.waiting)
        if wanted and said.fingerprint != letter.shown:
            if not self._letters.trying(letter.id, LEASE):
                raise NotifyError(f"{address.channel}: another worker is sending this message")
            try:
                ref = await transport.send(said, letter.ref, again=letter.tried and letter.ref is None)
            except BaseException:
                self._letters.failed(letter.id)
                raise
            self._letters.sent(letter.id, ref, said.fingerprint)
        if over or transport.updates == "never" or (transport.updates == "end" and not said.waiting):
            self._letters.close(letter.id)

    def _links(self, letter: Letter, about: list[Approval], address: Address) -> Mapping[str, str]:
        """Links that may decide, for the reader of a mail; none in other channels, and none without keys."""
        settings = self._transports.settings
        if not settings.keys or not isinstance(settings.channel(address.channel), Email):
            return {}
        signer = Signer(self._transports.secrets(settings.keys))
        base, links = settings.base_url.rstrip("/"), {}
        for approval in about:
            new = Link(
                nonce=secrets.token_urlsafe(18), approval=approval.id, digest=bound(approval), reviewer=address.audience
            )
            links[approval.id] = f"{base}/links/{signer.sign('review-link', self._letters.link(letter.id, new))}"
        return links
