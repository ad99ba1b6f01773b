"""Every channel says what is so: letters are written, and brought up to date, until nothing in them waits."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping

import msgspec

from hitl_opa.approvals import Approval, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.letter import Letter, Link
from hitl_opa.approvals.letters import GIVEN_UP, Letters
from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.channels import Email
from hitl_opa.errors import ConfigError, HitlError, NotifyError
from hitl_opa.notify.decider import Directory
from hitl_opa.notify.links import Signer
from hitl_opa.notify.message import bound, message
from hitl_opa.notify.routing import addresses
from hitl_opa.notify.transports import Transports

LEASE = 90.0  # seconds; longer than any transport takes
FIRST_WAIT, LONGEST_WAIT = 5.0, 3_600.0  # seconds between attempts
_FINAL = frozenset(State) - {State.PENDING, State.APPROVED, State.EXECUTING, State.UNKNOWN}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A message arrived with this title, or did not because of ``problem``."""

    channel: str
    audience: str
    title: str
    problem: str


class Delivery:
    """Brings every reader of every channel up to date. May be done any number of times, by any number of
    workers: what is so already is left alone. Nothing here changes an approval."""

    def __init__(
        self,
        approvals: Approvals,
        letters: Letters,
        transports: Transports,
        directory: Directory,
        audit: AuditLog,
        *,
        told: Callable[[Told], None] = lambda _: None,
    ) -> None:
        self._approvals = approvals
        self._letters = letters
        self._transports = transports
        self._directory = directory
        self._audit = audit
        self._told = told

    async def once(self, window: float | None = None) -> int:
        """Send what is due. Returns how many letters were looked at. A channel that fails is tried again later, and
        delays no other. ``window`` in place of that of the settings."""
        due = await asyncio.to_thread(self._due, self._transports.settings.window if window is None else window)
        by_channel: dict[str, list[Letter]] = {}
        for letter in due:
            by_channel.setdefault(letter.channel, []).append(letter)
        await asyncio.gather(*(self._bring_all(letters) for letters in by_channel.values()))
        return len(due)

    def wait(self, longest: float) -> float:
        """Seconds until something falls due of itself, at most so many."""
        at = self._letters.next_at(self._transports.settings.window)
        return longest if at is None else min(max(at - self._letters.now(), 0.0), longest)

    def _due(self, window: float) -> list[Letter]:
        self._approvals.tick()
        while new := [self._approvals.get(id) for id in self._letters.unrouted()]:
            found = [(a.id, a.escalated, addresses(a, self._transports, self._directory)) for a in new]
            self._letters.address(
                [(id, step, [(r.channel, r.audience) for r in readers]) for id, step, readers in found]
            )
        self._letters.gather(window)
        return self._letters.due()

    async def _bring_all(self, letters: list[Letter]) -> None:
        for letter in letters:
            try:
                await self._bring(letter)
            except (NotifyError, ConfigError) as error:
                await asyncio.to_thread(self._failed, letter, error)
            except HitlError:  # the database: nothing can be sent that could not be noted
                raise
            except Exception as error:  # noqa: BLE001 - whatever a library does, the other letters are sent
                problem = NotifyError(f"{letter.channel}: it cannot be sent: {type(error).__name__}")
                await asyncio.to_thread(self._failed, letter, problem)

    def _failed(self, letter: Letter, error: NotifyError | ConfigError) -> None:
        attempts = letter.attempts + 1
        asked = error.retry_after if isinstance(error, NotifyError) else 0.0
        wait = max(min(FIRST_WAIT * 2**letter.attempts, LONGEST_WAIT), min(asked, LONGEST_WAIT))
        self._letters.failed(letter.id, str(error), attempts, wait)
        self._told(Told(channel=letter.channel, audience=letter.audience, title="", problem=str(error)))
        self._record(letter, "given-up" if attempts == GIVEN_UP else "failed", problem=str(error))

    def _record(self, letter: Letter, result: str, **detail: str) -> None:
        """Who was told of what, or was not: for the record, and for metrics."""
        about = {"notified": letter.channel, "result": result, "letter": letter.id}
        detail = {**detail, "for": letter.audience}
        self._audit.append(Event(kind=Kind.NOTE, extra=about, detail={**detail, "approvals": letter.approvals}))

    async def _bring(self, letter: Letter) -> None:
        about = [await asyncio.to_thread(self._approvals.get, id) for id in letter.approvals]
        over = all(approval.state in _FINAL for approval in about)
        links = await asyncio.to_thread(self._links, letter, about)
        said = message(letter.id, about, self._transports.settings.base_url, links)
        if letter.ref is None and not said.waiting:  # decided before anybody was told: there is nothing to tell
            self._letters.current(letter.id, letter.stamp, closed=True)
            return
        transport = self._transports.to(letter.channel, letter.audience)
        ended = transport.updates == "end" and not said.waiting
        wanted = letter.ref is None or transport.updates == "all" or ended
        if wanted and said.fingerprint != letter.shown:
            if not self._letters.trying(letter, LEASE):
                return  # another worker is sending it
            ref = await transport.send(said, letter.ref, again=letter.tried and letter.ref is None)
            self._letters.sent(letter.id, ref, said.fingerprint)
            await asyncio.to_thread(self._record, letter, "sent", title=said.title)
            self._told(Told(channel=letter.channel, audience=letter.audience, title=said.title, problem=""))
        self._letters.current(letter.id, letter.stamp, closed=over or ended or transport.updates == "never")

    def _links(self, letter: Letter, about: list[Approval]) -> Mapping[str, str]:
        """Links that may decide, for the reader of a mail; none in other channels, and none without keys."""
        settings = self._transports.settings
        if not settings.keys or not isinstance(settings.channel(letter.channel), Email):
            return {}
        signer = Signer(self._transports.secrets(settings.keys))
        base, links = settings.base_url.rstrip("/"), {}
        for approval in about:
            new = Link(
                nonce=secrets.token_urlsafe(18), approval=approval.id, digest=bound(approval), reviewer=letter.audience
            )
            links[approval.id] = f"{base}/links/{signer.sign('review-link', self._letters.link(letter.id, new))}"
        return links
