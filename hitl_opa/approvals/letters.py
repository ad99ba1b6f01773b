"""Who was told of which approval, where, and what came back: beside the approvals, in their database.

There is one row an approval, step of escalation and reader; those that are told together share a letter.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sql

from hitl_opa.approvals.letter import Letter, Link, Reply
from hitl_opa.approvals.store import Store
from hitl_opa.approvals.tables import ABOUT, LETTER, LINK, REPLY

REMEMBERED = 31 * 24 * 3600.0  # seconds; longer than anybody goes on trying


class Letters:
    """The letters of one database. Every method is a transaction of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def address(self, approval: str, step: int, readers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Note who (channel, audience) is to be told of an approval, once each. Returns all who ever were."""
        with self._store.connected() as connection:
            known = self._readers(connection, approval, step)
            for reader in dict.fromkeys(readers):
                if reader not in known:
                    new = ABOUT.insert().values(approval=approval, step=step, channel=reader[0], audience=reader[1])
                    connection.execute(new.values(letter=""))
            return self._readers(connection, approval)

    def open(self, channel: str, audience: str) -> list[Letter]:
        """The letters to this reader that may have to change. What nobody was told of yet becomes one new letter."""
        here = (LETTER.c.channel == channel) & (LETTER.c.audience == audience)
        new = (ABOUT.c.channel == channel) & (ABOUT.c.audience == audience) & (ABOUT.c.letter == "")
        with self._store.connected() as connection:
            if connection.execute(sql.select(ABOUT.c.approval).where(new).limit(1)).first() is not None:
                id = str(uuid.uuid4())
                new_letter = LETTER.insert().values(id=id, channel=channel, audience=audience, ref="", shown="")
                connection.execute(new_letter.values(tried=False, closed=False, lease_until=0.0))
                connection.execute(ABOUT.update().where(new).values(letter=id))
            rows = connection.execute(sql.select(LETTER).where(here & ~LETTER.c.closed).order_by(LETTER.c.id)).all()
            return [
                Letter(
                    id=row.id,
                    approvals=list(
                        connection.execute(
                            sql.select(ABOUT.c.approval).where(ABOUT.c.letter == row.id).order_by(ABOUT.c.approval)
                        ).scalars()
                    ),
                    ref=msgspec.json.decode(row.ref) if row.ref else None,
                    shown=row.shown,
                    tried=row.tried,
                )
                for row in rows
            ]

    def trying(self, id: str, lease: float) -> bool:
        """From now on the letter may have arrived. False, and it is left alone, where another worker is sending it.

        It is this worker's for ``lease`` seconds, or until it was `sent` or `failed`.
        """
        now = time.time()
        mine = (LETTER.c.id == id) & (LETTER.c.lease_until <= now)
        with self._store.connected() as connection:
            return (
                connection.execute(LETTER.update().where(mine).values(tried=True, lease_until=now + lease)).rowcount
                == 1
            )

    def sent(self, id: str, ref: dict[str, str], shown: str) -> None:
        """This version of the letter arrived."""
        self._set(id, ref=msgspec.json.encode(ref).decode(), shown=shown, lease_until=0.0)

    def failed(self, id: str) -> None:
        """It did not arrive, or nobody knows; the next to try need not wait."""
        self._set(id, lease_until=0.0)

    def close(self, id: str) -> None:
        """Nothing in the letter will change any more."""
        self._set(id, closed=True)

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
        with self._store.connected() as connection:
            row = connection.execute(sql.select(LINK).where(LINK.c.nonce == nonce)).first()
        if row is None:
            return None
        return Link(nonce=row.nonce, approval=row.approval, digest=row.digest, reviewer=row.reviewer)

    def answered(self, id: str) -> Reply | None:
        """What a request with this id was answered, None where it did not come before."""
        with self._store.connected() as connection:
            row = connection.execute(sql.select(REPLY).where(REPLY.c.id == id)).first()
        return None if row is None else Reply(body=row.body, answer=msgspec.json.decode(row.answer))

    def answer(self, id: str, body: str, answer: dict[str, str]) -> bool:
        """Keep the answer to a request, for `REMEMBERED`. False, and nothing is kept, where it has one."""
        now = time.time()
        with self._store.connected() as connection:
            connection.execute(REPLY.delete().where(REPLY.c.at < now - REMEMBERED))
            if connection.execute(sql.select(REPLY.c.id).where(REPLY.c.id == id)).first() is not None:
                return False
            row = {"id": id, "body": body, "answer": msgspec.json.encode(answer).decode(), "at": now}
            connection.execute(REPLY.insert().values(row))
            return True

    def _set(self, id: str, **values: Any) -> None:
        with self._store.connected() as connection:
            connection.execute(LETTER.update().where(LETTER.c.id == id).values(**values))

    def _readers(self, connection: sql.Connection, approval: str, step: int | None = None) -> list[tuple[str, str]]:
        where = ABOUT.c.approval == approval
        where = where if step is None else where & (ABOUT.c.step == step)
        rows = connection.execute(sql.select(ABOUT.c.channel, ABOUT.c.audience).where(where).distinct())
        return sorted((row.channel, row.audience) for row in rows)
