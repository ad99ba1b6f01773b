"""Who was told of which approval, where, and what came back: beside the approvals, in their database.

There is one row an approval, step of escalation and reader; those that are told together share a letter.
What a letter has to say is compared with the approvals themselves, so that whoever dies in between, or
never hears of a change, leaves nothing behind that the next one does not find.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sql

from hitl_opa.approvals.letter import Letter, Link, Reply
from hitl_opa.approvals.states import State
from hitl_opa.approvals.store import Store
from hitl_opa.approvals.tables import ABOUT, APPROVAL, LETTER, LINK, REPLY, ROUTED, VOTE

REMEMBERED = 31 * 24 * 3600.0  # seconds that a request is remembered; longer than anybody goes on trying
GIVEN_UP = 20  # attempts


class Letters:
    """The letters of one database. Every method is a transaction of its own. ``clock``: seconds since the epoch."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self._clock()

    # --- who is to be told

    def unrouted(self, limit: int = 500) -> list[str]:
        """Approvals that wait, and of whose present step of escalation nobody was told."""
        seen = sql.exists().where((ROUTED.c.approval == APPROVAL.c.id) & (ROUTED.c.step == APPROVAL.c.escalated))
        wait = sql.select(APPROVAL.c.id).where((APPROVAL.c.state == State.PENDING) & ~seen)
        with self._store.reading() as connection:
            return list(connection.execute(wait.order_by(APPROVAL.c.requested_at).limit(limit)).scalars())

    def address(self, approvals: Iterable[tuple[str, int, Sequence[tuple[str, str]]]]) -> None:
        """Note who (channel, audience) is to be told of each approval at this step of its escalation, once."""
        now = self._clock()
        with self._store.connected() as connection:
            for approval, step, readers in approvals:
                mine = (ROUTED.c.approval == approval) & (ROUTED.c.step == step)
                if connection.execute(sql.select(ROUTED.c.step).where(mine)).first() is not None:
                    continue
                connection.execute(ROUTED.insert().values(approval=approval, step=step))
                for channel, audience in dict.fromkeys(readers):
                    new = ABOUT.insert().values(approval=approval, step=step, channel=channel, audience=audience)
                    connection.execute(new.values(letter="", at=now))

    def gather(self, window: float) -> None:
        """Make one letter of all that a reader is to be told, once the first of it has waited ``window`` seconds."""
        first = sql.func.min(ABOUT.c.at)
        waiting = sql.select(ABOUT.c.channel, ABOUT.c.audience).where(ABOUT.c.letter == "")
        due = waiting.group_by(ABOUT.c.channel, ABOUT.c.audience).having(first <= self._clock() - window)
        with self._store.connected() as connection:
            for channel, audience in connection.execute(due).all():
                id = str(uuid.uuid4())
                texts = {"channel": channel, "audience": audience, "ref": "", "shown": "", "stamp": "", "problem": ""}
                new = LETTER.insert().values(id=id, tried=False, closed=False, **texts)
                connection.execute(new.values(lease_until=0.0, next_at=0.0, attempts=0))
                mine = (ABOUT.c.channel == channel) & (ABOUT.c.audience == audience) & (ABOUT.c.letter == "")
                connection.execute(ABOUT.update().where(mine).values(letter=id))

    # --- letters

    def due(self) -> list[Letter]:
        """Open letters whose approvals have changed since they were brought up to date, and that may be tried now."""
        now = self._clock()
        free = (LETTER.c.lease_until <= now) & (LETTER.c.next_at <= now) & (LETTER.c.attempts < GIVEN_UP)
        with self._store.reading() as connection:
            return [letter for letter, stamp in self._found(connection, free) if letter.stamp != stamp]

    def next_at(self, window: float) -> float | None:
        """When something falls due of itself (a burst is over, a try is due), in seconds since the epoch."""
        burst = sql.select(sql.func.min(ABOUT.c.at)).where(ABOUT.c.letter == "")
        again = (~LETTER.c.closed) & (LETTER.c.attempts > 0) & (LETTER.c.attempts < GIVEN_UP)
        with self._store.reading() as connection:
            begun = connection.execute(burst).scalar()
            tried = connection.execute(sql.select(sql.func.min(LETTER.c.next_at)).where(again)).scalar()
        times = [float(at) for at in (begun + window if begun is not None else None, tried) if at is not None]
        return min(times, default=None)

    def failing(self) -> list[Letter]:
        """Open letters whose last attempt failed; from `GIVEN_UP` attempts on, nobody tries any more."""
        with self._store.reading() as connection:
            return [letter for letter, _ in self._found(connection, LETTER.c.attempts > 0)]

    def retry(self) -> int:
        """Try everything that fails again at once. Returns how many letters that are."""
        again = LETTER.update().where(~LETTER.c.closed & (LETTER.c.attempts > 0)).values(attempts=0, next_at=0.0)
        with self._store.connected(lock=False) as connection:
            return connection.execute(again).rowcount

    def trying(self, letter: Letter, lease: float) -> bool:
        """From now on the letter may have arrived. False, and it is left alone, where another worker is sending it,
        or has tried since ``letter`` was read.

        It is this worker's for ``lease`` seconds, or until it was `sent` or `failed`.
        """
        now = self._clock()
        same = (LETTER.c.shown == letter.shown) & (LETTER.c.tried == letter.tried)
        same &= LETTER.c.attempts == letter.attempts
        mine = (LETTER.c.id == letter.id) & (LETTER.c.lease_until <= now) & same
        with self._store.connected(lock=False) as connection:
            taken = connection.execute(LETTER.update().where(mine).values(tried=True, lease_until=now + lease))
            return taken.rowcount == 1

    def sent(self, id: str, ref: dict[str, str], shown: str) -> None:
        """This version of the letter arrived."""
        self._set(id, ref=msgspec.json.encode(ref).decode(), shown=shown, lease_until=0.0, attempts=0, problem="")

    def failed(self, id: str, problem: str, attempts: int, wait: float) -> None:
        """It did not arrive, or nobody knows; to be tried again after ``wait`` seconds."""
        self._set(id, lease_until=0.0, problem=problem, attempts=attempts, next_at=self._clock() + wait)

    def current(self, id: str, stamp: str, *, closed: bool) -> None:
        """The letter says what is so; ``closed``: and nothing in it will change any more."""
        self._set(id, stamp=stamp, closed=closed)

    # --- what comes back

    def link(self, letter: str, link: Link) -> Link:
        """The link to this approval, as it is bound now, in this letter: the one that is there, else this one."""
        mine = (LINK.c.letter == letter) & (LINK.c.approval == link.approval) & (LINK.c.digest == link.digest)
        with self._store.connected() as connection:
            found = connection.execute(sql.select(LINK).where(mine)).first()
            if found is None:
                connection.execute(LINK.insert().values(letter=letter, **msgspec.structs.asdict(link)))
                return link
            return Link(nonce=found.nonce, approval=found.approval, digest=found.digest, reviewer=found.reviewer)

    def known(self, nonce: str) -> Link | None:
        """The link with this nonce, None where none was sent."""
        with self._store.reading() as connection:
            row = connection.execute(sql.select(LINK).where(LINK.c.nonce == nonce)).first()
        if row is None:
            return None
        return Link(nonce=row.nonce, approval=row.approval, digest=row.digest, reviewer=row.reviewer)

    def answered(self, id: str) -> Reply | None:
        """What a request with this id was answered, None where it did not come before."""
        with self._store.reading() as connection:
            row = connection.execute(sql.select(REPLY).where(REPLY.c.id == id)).first()
        return None if row is None else Reply(body=row.body, answer=msgspec.json.decode(row.answer))

    def answer(self, id: str, body: str, answer: dict[str, str]) -> bool:
        """Keep the answer to a request, for `REMEMBERED`. False, and nothing is kept, where it has one."""
        now = self._clock()
        with self._store.connected() as connection:
            connection.execute(REPLY.delete().where(REPLY.c.at < now - REMEMBERED))
            if connection.execute(sql.select(REPLY.c.id).where(REPLY.c.id == id)).first() is not None:
                return False
            row = {"id": id, "body": body, "answer": msgspec.json.encode(answer).decode(), "at": now}
            connection.execute(REPLY.insert().values(row))
            return True

    def _set(self, id: str, **values: Any) -> None:
        with self._store.connected(lock=False) as connection:
            connection.execute(LETTER.update().where(LETTER.c.id == id).values(**values))

    def _found(self, connection: sql.Connection, where: sql.ColumnElement[bool]) -> Iterator[tuple[Letter, str]]:
        """Open letters with the stamp of their approvals now, and the one that they were brought up to date with."""
        cast = VOTE.c.approval == ABOUT.c.approval
        votes = sql.select(sql.func.count()).where(cast).scalar_subquery()
        voted = sql.select(sql.func.max(VOTE.c.at)).where(cast).scalar_subquery()
        now = (APPROVAL.c.state, APPROVAL.c.escalated, APPROVAL.c.expires_at, votes, voted)
        joined = ABOUT.join(LETTER, LETTER.c.id == ABOUT.c.letter).join(APPROVAL, APPROVAL.c.id == ABOUT.c.approval)
        items = sql.select(ABOUT.c.letter, ABOUT.c.approval, *now).select_from(joined)
        open_ = ~LETTER.c.closed & where
        about: dict[str, dict[str, str]] = {}
        for row in connection.execute(items.where(open_).order_by(ABOUT.c.letter, ABOUT.c.approval)):
            about.setdefault(row.letter, {})[row.approval] = repr(tuple(row)[2:])
        for row in connection.execute(sql.select(LETTER).where(open_).order_by(LETTER.c.id)):
            mine = about.get(row.id, {})
            letter = Letter(
                id=row.id,
                channel=row.channel,
                audience=row.audience,
                approvals=list(mine),
                ref=msgspec.json.decode(row.ref) if row.ref else None,
                shown=row.shown,
                tried=row.tried,
                stamp=hashlib.sha256(repr(sorted(mine.items())).encode()).hexdigest(),
                attempts=row.attempts,
                next_at=row.next_at,
                problem=row.problem,
            )
            yield letter, row.stamp
