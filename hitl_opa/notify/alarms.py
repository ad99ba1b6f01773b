"""Tells every channel of alarms, once each."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256

from hitl_opa.approvals.letters import GIVEN_UP
from hitl_opa.approvals.overseer import Overseer
from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.channels import Email, Notify
from hitl_opa.errors import ConfigError, NotifyError
from hitl_opa.metrics.alarms import Episode
from hitl_opa.notify.delivery import Told
from hitl_opa.notify.message import notice
from hitl_opa.notify.transports import Transports

GRACE = 180.0  # seconds that whoever raised an alarm has to tell of it


class Alarms:
    """Sends what ``overseer`` knows and a channel does not. What was sent, and what was not, is on the record."""

    def __init__(
        self,
        overseer: Overseer,
        audit: AuditLog,
        settings: Notify,
        root: str,
        *,
        told: Callable[[Told], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._overseer = overseer
        self._audit = audit
        self._settings = settings
        self._root = root
        self._told = told
        self._clock = clock

    async def once(self) -> None:
        """Tell of what is untold. What cannot be sent is tried again the next time, at most `GIVEN_UP` times."""
        transports = Transports(self._settings, self._root)
        for name, episode in self._overseer.untold(self._clock(), GRACE).items():
            for channel in self._settings.channels:
                if channel.name not in episode.told and episode.failures[channel.name] < GIVEN_UP:
                    await self._tell(transports, channel.name, name, episode)

    async def _tell(self, transports: Transports, channel: str, name: str, episode: Episode) -> None:
        there = self._settings.channel(channel)
        sent, problems = 0, []
        for audience in transports.recipients(there) if isinstance(there, Email) else [""]:
            id = f"alarm-{sha256(f'{name} {episode.at} {audience}'.encode()).hexdigest()[:32]}"
            problem = ""
            try:
                message = notice(id, f"Alarm: {episode.message}", self._settings.base_url)
                await transports.to(channel, audience).send(message, None, again=bool(episode.failures[channel]))
                sent += 1
            except (NotifyError, ConfigError) as error:
                problem = str(error)
            except Exception as error:  # noqa: BLE001 - whatever a library does, the other channels are told
                problem = f"{channel}: it cannot be sent: {type(error).__name__}"
            problems += [problem] if problem else []
            self._told(Told(channel=channel, audience=audience, title=f"Alarm: {episode.message}", problem=problem))
        # one of many mailboxes that is gone must not have all others told again
        about = {"alarm": name, "notified": channel, "result": "sent" if sent else "failed"}
        self._audit.append(Event(kind=Kind.NOTE, extra=about, detail={"problems": problems} if problems else None))
