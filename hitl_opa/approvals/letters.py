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

REMEMBERED = 31 * 24 * 3600.0  # seconds; longer than anybody goes on trying

_tables = sql.MetaData()
_letter = sql.Table(
    "letter",
    _tables,
    sql.Column("id", sql.Text, primary_key=True),
    *(sql.Column(name, sql.Text, nullable=False) for name in ("channel", "audience", "ref", "shown")),
    sql.Column("tried", sql.Boolean, nullable=False),
    sql.Column("closed", sql.Boolean, nullable=False),
    sql.Column("lease_until", sql.Double, nullable=False),
)
_about = sql.Table(
    "letter_about",
    _tables,
    sql.Column("approval", sql.Text, primary_key=True),
    sql.Column("step", sql.Integer, primary_key=True),
    sql.Column("channel", sql.Text, primary_key=True),
    sql.Column("audience", sql.Text, primary_key=True),
    sql.Column("letter", sql.Text, nullable=False),
)
_link = sql.Table(
    "letter_link",
    _tables,
    sql.Column("nonce", sql.Text, primary_key=True),
    *(sql.Column(name, sql.Text, nullable=False) for name in ("letter", "approval", "digest", "reviewer")),
)
_reply = sql.Table(
    "letter_reply",
    _tables,
    sql.Column("id", sql.Text, primary_key=True),
    sql.Column("body", sql.Text, nullable=False),
    sql.Column("answer", sql.Text, nullable=False),
    sql.Column("at", sql.Double, nullable=False),
)
sql.Index("letter_open", _letter.c.channel, _letter.c.audience, _letter.c.closed)
sql.Index("letter_about_letter", _about.c.letter)


class Letters:
    """The letters of one database. Every method is a transaction of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.connected() as connection:
            _tables.create_all(connection)

    def address(self, approval: str, step: int, readers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Note who (channel, audience) is to be told of an approval, once each. Returns all who ever were."""
        with self._store.connected() as connection:
            known = self._readers(connection, approval, step)
            for reader in dict.fromkeys(readers):
                if reader not in known:
                    new = _about.insert().values(approval=approval, step=step, channel=reader[0], audience=reader[1])
                    connection.execute(new.values(letter=""))
            return self._readers(connection, approval)

    def open(self, channel: str, audience: str) -> list[Letter]:
        """The letters to this reader that may have to change. What nobody was told of yet becomes one new letter."""
        here = (_letter.c.channel == channel) & (_letter.c.audience == audience)
        new = (_about.c.channel == channel) & (_about.c.audience == audience) & (_about.c.letter == "")
        with self._store.connected() as connection:
            if connection.execute(sql.select(_about.c.approval).where(new).limit(1)).first() is not None:
                id = str(uuid.uuid4())
                new_letter = _letter.insert().values(id=id, channel=channel, audience=audience, ref="", shown="")
                connection.execute(new_letter.values(tried=False, closed=False, lease_until=0.0))
                connection.execute(_about.update().where(new).values(letter=id))
            rows = connection.execute(sql.select(_letter).where(here & ~_letter.c.closed).order_by(_letter.c.id)).all()
            return [
                Letter(
                    id=row.id,
                    approvals=list(
                        connection.execute(
                            sql.select(_about.c.approval).where(_about.c.letter == row.id).order_by(_about.c.approval)
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
        mine = (_letter.c.id == id) & (_letter.c.lease_until <= now)
        with self._store.connected() as connection:
            return (
                connection.execute(_letter.update().where(mine).values(tried=True, lease_until=now + lease)).rowcount
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
        mine = (_link.c.letter == letter) & (_link.c.approval == link.approval) & (_link.c.digest == link.digest)
        with self._store.connected() as connection:
            found = connection.execute(sql.select(_link).where(mine)).first()
            if found is None:
                connection.execute(_link.insert().values(letter=letter, **msgspec.structs.asdict(link)))
                return link
            return Link(nonce=found.nonce, approval=found.approval, digest=found.digest, reviewer=found.reviewer)

    def known(self, nonce: str) -> Link | None:
        """The link with this nonce, None where none was sent."""
        with self._store.connected() as connection:
            row = connection.execute(sql.select(_link).where(_link.c.nonce == nonce)).first()
        if row is None:
            return None
        return Link(nonce=row.nonce, approval=row.approval, digest=row.digest, reviewer=row.reviewer)

    def answered(self, id: str) -> Reply | None:
        """What a request with this id was answered, None where it did not come before."""
        with self._store.connected() as connection:
            row = connection.execute(sql.select(_reply).where(_reply.c.id == id)).first()
        return None if row is None else Reply(body=row.body, answer=msgspec.json.decode(row.answer))

    def answer(self, id: str, body: str, answer: dict[str, str]) -> bool:
        """Keep the answer to a request, for `REMEMBERED`. False, and nothing is kept, where it has one."""
        now = time.time()
        with self._store.connected() as connection:
            connection.execute(_reply.delete().where(_reply.c.at < now - REMEMBERED))
            if connection.execute(sql.select(_reply.c.id).where(_reply.c.id == id)).first() is not None:
                return False
            row = {"id": id, "body": body, "answer": msgspec.json.encode(answer).decode(), "at": now}
            connection.execute(_reply.insert().values(row))
            return True

    def _set(self, id: str, **values: Any) -> None:
        with self._store.connected() as connection:
            connection.execute(_letter.update().where(_letter.c.id == id).values(**values))

    def _readers(self, connection: sql.Connection, approval: str, step: int | None = None) -> list[tuple[str, str]]:
        where = _about.c.approval == approval
        where = where if step is None else where & (_about.c.step == step)
        rows = connection.execute(sql.select(_about.c.channel, _about.c.audience).where(where).distinct())
        return sorted((row.channel, row.audience) for row in rows)
