"""Approvals in a database, beside the record: every change and its leaf are one transaction.

The rows live in the record's own database, so that a change of state is on record exactly when it happened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec
import sqlalchemy as sql
from sqlalchemy.pool import NullPool

from hitl_opa.approvals.approval import Approval, Order, Query, Vote
from hitl_opa.approvals.clocks import due_at
from hitl_opa.approvals.job import NOTIFY, RESUME
from hitl_opa.approvals.states import State, may_move
from hitl_opa.approvals.tables import APPROVAL, IS_LIVE, IS_PLANTED, JOB, VOTE
from hitl_opa.approvals.wakeups import Listening, Polling, Wakeups
from hitl_opa.audit import AuditLog, Event
from hitl_opa.database import MEMORY
from hitl_opa.errors import ApprovalError

_NEWEST_FIRST = (APPROVAL.c.requested_at.desc(), APPROVAL.c.id)
_LIVE_FIRST = (IS_LIVE.desc(), *_NEWEST_FIRST)

_RISK = sql.case({"critical": 0, "high": 1, "medium": 2}, value=APPROVAL.c.risk, else_=3)
# by what approvals are sorted, and whether the largest comes first
_ORDERS: dict[Order, tuple[tuple[sql.ColumnElement[Any], bool], ...]] = {
    "newest": ((APPROVAL.c.requested_at, True), (APPROVAL.c.id, False)),
    "urgent": ((_RISK, False), (APPROVAL.c.expires_at, False), (APPROVAL.c.id, False)),
}

DECIDED = frozenset({State.APPROVED, State.DENIED, State.EXPIRED, State.CANCELLED})
"""States in which a session that waits can go on."""

_POLL = 0.5  # seconds from one look to the next, where nobody tells
_BACKSTOP = 5.0  # seconds, where somebody does
AT_ONCE = 500  # values in a list that every database takes
_JSON = ("terms", "document", "decision", "edited", "edit", "answers")


class Store:
    """Approvals in the database of ``audit``. May be shared by threads and processes; forks are harmless.

    Every use has a connection of its own: approvals are rare, and connections must not cross forks.
    Raises ApprovalError, AuditError or AuditBusy, and then nothing was changed.
    """

    def __init__(self, audit: AuditLog) -> None:
        if audit.path == MEMORY:
            raise ApprovalError("durable approvals need a record on disk: the settings keep it in memory only")
        self.audit = audit
        self._database = database = audit.database
        options: dict[str, Any] = {"use_native_hstore": False, "pool_size": 8, "max_overflow": 24}
        self._engine = sql.create_engine(
            database.dialect,
            creator=lambda: database.connect(audit.timeout),
            **(options if database.pooled else {"poolclass": NullPool}),
        )
        audit.closers.append(self._engine.dispose)
        self._pid = os.getpid()
        with self._transaction(lock=False):
            pass  # what is wrong with the database shows now

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A transaction that has the write lock: what is read in it stays true until it ends."""
        with self._transaction() as connection:
            yield Transaction(connection, self)

    @contextmanager
    def look(self) -> Iterator[Transaction]:
        """A transaction for reading, which waits for nobody where the database can do without."""
        with self._transaction(lock=False, reads=True) as connection:
            yield Transaction(connection, self)

    def connected(self, *, lock: bool = True) -> AbstractContextManager[sql.Connection]:
        """A transaction for tables that stand beside the approvals; it has the write lock unless it needs none."""
        return self._transaction(lock=lock)

    def reading(self) -> AbstractContextManager[sql.Connection]:
        """A transaction that changes nothing, on what is there now; it waits for nobody where that can be had."""
        return self._transaction(lock=False, reads=True)

    def wake(self, connection: sql.Connection) -> None:
        """Tell workers, once this commits, that there is something to do."""
        self._database.wake(driver(connection).cursor())

    @contextmanager
    def wakeups(self) -> Iterator[Wakeups]:
        """What tells a worker that there may be something to do. Raises AuditError."""
        listening = self._database.listen(self.audit.timeout)
        if listening is None:
            yield Polling(_POLL)
            return
        try:
            yield Listening(listening, _BACKSTOP, self._database)
        finally:
            listening.close()

    @contextmanager
    def _transaction(self, *, lock: bool = True, reads: bool = False) -> Iterator[sql.Connection]:
        if self._pid != os.getpid():  # connections of the process that forked are not ours
            self._engine.dispose(close=False)
            self._pid = os.getpid()
        database = self._database
        try:
            with self._connected(lock, reads) as connection:
                raw = driver(connection)
                try:
                    yield connection
                    database.commit(raw)
                finally:
                    if not database.rollback(raw):
                        connection.invalidate()
        except database.errors as error:
            raise database.explain(error) from error
        except sql.exc.DBAPIError as error:
            if isinstance(error.orig, database.errors):
                raise database.explain(error.orig) from error
            raise ApprovalError(f"the approvals in {database.name} cannot be used: {error}") from error

    @contextmanager
    def _connected(self, lock: bool, reads: bool) -> Iterator[sql.Connection]:
        """A connection in a new transaction."""
        database = self._database
        connection = self._engine.connect()
        try:
            try:
                database.begin(driver(connection), self.audit.timeout, lock=lock, reads=reads)
            except database.errors:
                if database.rollback(driver(connection)):
                    raise
                connection.invalidate()  # it was kept while the server was restarted: take a new one
                self._engine.dispose()
                connection.close()
                connection = self._engine.connect()
                database.begin(driver(connection), self.audit.timeout, lock=lock, reads=reads)
            yield connection
        finally:
            connection.close()


class Transaction:
    """What can be done to approvals, each change together with its event for the record."""

    def __init__(self, connection: sql.Connection, store: Store) -> None:
        self.connection = connection
        self._store = store

    def get(self, id: str) -> Approval | None:
        """The approval with this id."""
        return next(self._found(APPROVAL.c.id == id), None)

    def starting(self, prefix: str) -> list[Approval]:
        """At most three of the approvals whose id starts so."""
        return list(self._found(APPROVAL.c.id.startswith(prefix, autoescape=True), limit=3))

    def latest(self, digest: str) -> Approval | None:
        """The approval of this call that was asked last, live ones first."""
        return next(self._found(APPROVAL.c.digest == digest, limit=1), None)

    def overdue(self, now: float, limit: int = 500) -> list[Approval]:
        """Approvals to which something happens by ``now``, at most so many of them."""
        return list(self._found((APPROVAL.c.due_at > 0) & (APPROVAL.c.due_at <= now), limit, (APPROVAL.c.due_at,)))

    def search(self, query: Query) -> list[Approval]:
        """What a query asks for, in its order."""
        where: list[sql.ColumnElement[bool]] = []
        if query.states:
            where.append(APPROVAL.c.state.in_(sorted(query.states)))
        for name in ("agent", "tool", "risk", "session"):
            if value := getattr(query, name):
                where.append(APPROVAL.c[name] == value)
        for word in query.text.split():
            shown = APPROVAL.c.document + APPROVAL.c.id + APPROVAL.c.tool + APPROVAL.c.principal
            where.append(shown.icontains(word, autoescape=True))
        keys = _ORDERS[query.order]
        if query.after:
            where.append(_behind(keys, query.after))
        order = [key.desc() if falling else key for key, falling in keys]
        return list(self._found(sql.and_(sql.true(), *where), limit=query.limit, order=order))

    def alike(self, agent: str, tool: str, states: frozenset[State], limit: int) -> list[Approval]:
        """The latest of this agent and tool in these states, newest first."""
        where = (APPROVAL.c.agent == agent) & (APPROVAL.c.tool == tool) & APPROVAL.c.state.in_(sorted(states))
        return list(self._found(where, limit=limit, order=_NEWEST_FIRST))

    def about(self, decisions: list[str]) -> list[Approval]:
        """The approvals of these decisions, at most `AT_ONCE` of them."""
        return list(self._found(APPROVAL.c.decision_id.in_(decisions)))

    def planted(self) -> Approval | None:
        """The planted request that was planted last."""
        return next(self._found(IS_PLANTED, limit=1, order=_NEWEST_FIRST), None)

    def asked(self, after: float) -> tuple[int, Approval | None]:
        """How many calls were asked about after this time, planted ones aside, and the last of them."""
        real = ~IS_PLANTED & (APPROVAL.c.requested_at > after) & (APPROVAL.c.kind == "call")
        count = self.connection.execute(sql.select(sql.func.count()).select_from(APPROVAL).where(real)).scalar_one()
        return count, next(self._found(real, limit=1, order=_NEWEST_FIRST), None)

    def counts(self) -> dict[State, int]:
        """How many there are in each state."""
        rows = self.connection.execute(sql.select(APPROVAL.c.state, sql.func.count()).group_by(APPROVAL.c.state))
        return {State(state): count for state, count in rows}

    def add(self, approval: Approval, event: Event) -> None:
        """A new approval."""
        values = {name: getattr(approval, name) for name in approval.__struct_fields__ if name != "votes"}
        self.connection.execute(APPROVAL.insert().values(**columns(values), due_at=due_at(approval)))
        self.record(event)
        self._enqueue(approval.id, NOTIFY)

    def vote(self, id: str, vote: Vote, event: Event) -> None:
        """A reviewer's vote; one a reviewer."""
        values = {**msgspec.structs.asdict(vote), "groups": msgspec.json.encode(vote.groups).decode(), "approval": id}
        self.connection.execute(VOTE.insert().values(values))
        self.record(event)

    def unvote(self, id: str) -> None:
        """Forget the votes on an approval; the record keeps them."""
        self.connection.execute(VOTE.delete().where(VOTE.c.approval == id))

    def move(self, approval: Approval, new: State, event: Event, **values: Any) -> bool:
        """To ``new``; False, and nothing changed, where it is not in the state any more that ``approval`` says."""
        if not may_move(approval.state, new) or (approval.canary and new is State.APPROVED):
            raise ApprovalError(f"an approval that is {approval.state} cannot become {new}")
        if not self.update(approval, event, state=new, **values):
            return False
        if new in DECIDED and approval.run:
            self._enqueue(approval.id, RESUME)
        return True

    def update(self, approval: Approval, event: Event | None, **values: Any) -> bool:
        """Other values; False, and nothing changed, where its state is not what ``approval`` says."""
        mine = (APPROVAL.c.id == approval.id) & (APPROVAL.c.state == approval.state)
        due = due_at(msgspec.structs.replace(approval, **values))
        if self.connection.execute(APPROVAL.update().where(mine).values(**columns(values), due_at=due)).rowcount != 1:
            return False
        if event is not None:
            self.record(event)
        self._enqueue(approval.id, NOTIFY)
        return True

    def _enqueue(self, id: str, kind: str) -> None:
        """Have this done about the approval, once this transaction commits."""
        mine = (JOB.c.kind == kind) & (JOB.c.approval == id)
        again = {"wanted": JOB.c.wanted + 1, "failures": 0, "run_at": 0.0, "dead": False, "error": ""}
        if self.connection.execute(JOB.update().where(mine).values(again)).rowcount == 0:
            new = {"wanted": 1, "attempt": 0, "failures": 0, "run_at": 0.0, "lease_until": 0.0}
            self.connection.execute(JOB.insert().values(kind=kind, approval=id, error="", dead=False, **new))
        self._store.wake(self.connection)

    def record(self, event: Event) -> None:
        """An event on the record, in this transaction."""
        self._store.audit.append(event, cursor=driver(self.connection).cursor())

    def _found(
        self, where: sql.ColumnElement[bool], limit: int | None = None, order: Iterable[Any] = _LIVE_FIRST
    ) -> Iterator[Approval]:
        found = sql.select(APPROVAL).where(where).order_by(*order).limit(limit)
        rows = self.connection.execute(found).mappings().all()
        votes = self._votes([row["id"] for row in rows])
        for row in rows:
            values = {str(n): msgspec.json.decode(row[n]) if n in _JSON else row[n] for n in row}
            del values["due_at"]
            yield msgspec.convert({**values, "votes": votes.get(row["id"], [])}, Approval)

    def _votes(self, ids: list[str]) -> dict[str, list[dict[str, Any]]]:
        """The votes on each of these approvals, first one first."""
        votes: dict[str, list[dict[str, Any]]] = {}
        for at in range(0, len(ids), AT_ONCE):
            found = sql.select(VOTE).where(VOTE.c.approval.in_(ids[at : at + AT_ONCE])).order_by(VOTE.c.at)
            for row in self.connection.execute(found).mappings():
                vote = {str(name): row[name] for name in row}
                votes.setdefault(row["approval"], []).append({**vote, "groups": msgspec.json.decode(vote["groups"])})
        return votes


def _behind(keys: Iterable[tuple[sql.ColumnElement[Any], bool]], id: str) -> sql.ColumnElement[bool]:
    """What comes after the approval with this id, sorted by these keys."""
    behind: sql.ColumnElement[bool] = sql.false()
    level: sql.ColumnElement[bool] = sql.true()
    for key, falling in keys:
        last = sql.select(key).where(APPROVAL.c.id == id).scalar_subquery()
        behind = behind | (level & (key < last if falling else key > last))
        level = level & (key == last)
    return behind


def columns(values: dict[str, Any]) -> dict[str, Any]:
    """Values as columns have them."""
    encoded = {name: msgspec.json.encode(values[name]).decode() for name in _JSON if name in values}
    return {**values, **encoded}


def driver(connection: sql.Connection) -> Any:
    """The driver's own connection: transactions begin and end there, and the record writes through it."""
    return connection.connection.dbapi_connection
