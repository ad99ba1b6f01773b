"""Approvals in a database, beside the record: every change and its leaf are one transaction.

The only module that knows SQLAlchemy. The rows live in the record's own SQLite file, so that a change
of state is on record exactly when it happened.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

import msgspec
import sqlalchemy as sql
from sqlalchemy.pool import NullPool

from hitl_opa.approvals.approval import Approval, Query, Vote
from hitl_opa.approvals.clocks import due_at
from hitl_opa.approvals.job import NOTIFY, RESUME
from hitl_opa.approvals.states import State, may_move
from hitl_opa.approvals.tables import APPROVAL, IS_LIVE, JOB, METADATA, SCHEMA, VOTE
from hitl_opa.approvals.wakeups import Polling, Wakeups
from hitl_opa.audit import AuditLog, Event, database
from hitl_opa.errors import ApprovalError

SCHEMA_VERSION = 4
_MEMORY = ":memory:"

_LIVE_FIRST = (IS_LIVE.desc(), APPROVAL.c.requested_at.desc(), APPROVAL.c.id)

DECIDED = frozenset({State.APPROVED, State.DENIED, State.EXPIRED, State.CANCELLED})
"""States in which a session that waits can go on."""

_POLL = 0.5  # seconds
_JSON = ("terms", "document", "decision", "edited", "edit", "answers")


class Store:
    """Approvals in the file of ``audit``. May be shared by threads and processes; forks are harmless.

    Every use opens a connection of its own: approvals are rare, and connections must not cross forks.
    Raises ApprovalError, AuditError or AuditBusy, and then nothing was changed.
    """

    def __init__(self, audit: AuditLog) -> None:
        if audit.path == _MEMORY:
            raise ApprovalError("durable approvals need a record on disk: the settings keep it in memory only")
        self.audit = audit
        self._engine = sql.create_engine(
            "sqlite+pysqlite://", creator=lambda: database.connect(audit.path, audit.timeout), poolclass=NullPool
        )
        with self._transaction() as connection:
            self._prepare(connection)

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A transaction that has the write lock: what is read in it stays true until it ends."""
        with self._transaction() as connection:
            yield Transaction(connection, self.audit, self.wake)

    def connected(self, *, lock: bool = True) -> AbstractContextManager[sql.Connection]:
        """A transaction for tables that stand beside the approvals; it has the write lock unless it needs none."""
        return self._transaction()

    def reading(self) -> AbstractContextManager[sql.Connection]:
        """A transaction that changes nothing, on what is there now."""
        return self._transaction()

    def wake(self, connection: sql.Connection) -> None:
        """Tell workers, once this commits, that there is something to do."""

    @contextmanager
    def wakeups(self) -> Iterator[Wakeups]:
        """What tells a worker that there may be something to do."""
        yield Polling(_POLL)

    @contextmanager
    def _transaction(self) -> Iterator[sql.Connection]:
        path = self.audit.path
        try:
            with self._engine.connect() as connection:
                raw = _driver(connection)
                database.begin(raw, self.audit.timeout)
                try:
                    yield connection
                    raw.execute("COMMIT")
                finally:
                    if raw.in_transaction:
                        raw.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise database.explain(error, path) from error
        except sql.exc.DBAPIError as error:
            if isinstance(error.orig, sqlite3.Error):
                raise database.explain(error.orig, path) from error
            raise ApprovalError(f"the approvals in {path} cannot be used: {error}") from error

    def _prepare(self, connection: sql.Connection) -> None:
        """Make the tables where they are missing; refuse those of another version."""
        found = set(sql.inspect(connection).get_table_names()) & set(METADATA.tables)
        if not found:
            METADATA.create_all(connection)
            connection.execute(SCHEMA.insert().values(version=SCHEMA_VERSION))
            return
        versions = list(connection.execute(sql.select(SCHEMA.c.version)).scalars()) if SCHEMA.name in found else []
        if versions != [SCHEMA_VERSION] or found != set(METADATA.tables):
            raise ApprovalError(
                f"the approvals in {self.audit.path} have schema version {versions or 'none'}, this hitl-opa uses "
                f"{SCHEMA_VERSION}; use the hitl-opa that wrote them, or another audit file"
            )


class Transaction:
    """What can be done to approvals, each change together with its event for the record."""

    def __init__(self, connection: sql.Connection, audit: AuditLog, wake: Callable[[sql.Connection], None]) -> None:
        self._connection = connection
        self._audit = audit
        self._wake = wake

    def get(self, id: str) -> Approval | None:
        """The approval with this id."""
        return next(self._found(APPROVAL.c.id == id), None)

    def starting(self, prefix: str) -> list[Approval]:
        """At most three of the approvals whose id starts so."""
        return list(self._found(APPROVAL.c.id.startswith(prefix, autoescape=True), limit=3))

    def latest(self, digest: str) -> Approval | None:
        """The approval of this call that was asked last, live ones first."""
        return next(self._found(APPROVAL.c.digest == digest, limit=1), None)

    def overdue(self, now: float) -> list[Approval]:
        """Approvals to which something happens by ``now``, at most a few hundred of them."""
        return list(self._found((APPROVAL.c.due_at > 0) & (APPROVAL.c.due_at <= now), limit=500))

    def search(self, query: Query) -> list[Approval]:
        """What a query asks for, newest first."""
        where: list[sql.ColumnElement[bool]] = []
        if query.states:
            where.append(APPROVAL.c.state.in_(sorted(query.states)))
        for name in ("agent", "tool", "risk", "session"):
            if value := getattr(query, name):
                where.append(APPROVAL.c[name] == value)
        for word in query.text.split():
            shown = APPROVAL.c.document + APPROVAL.c.id + APPROVAL.c.tool + APPROVAL.c.principal
            where.append(shown.icontains(word, autoescape=True))
        if query.after:
            last = sql.select(APPROVAL.c.requested_at).where(APPROVAL.c.id == query.after).scalar_subquery()
            older = APPROVAL.c.requested_at < last
            where.append(older | ((APPROVAL.c.requested_at == last) & (APPROVAL.c.id > query.after)))
        order = (APPROVAL.c.requested_at.desc(), APPROVAL.c.id)
        return list(self._found(sql.and_(sql.true(), *where), limit=query.limit, order=order))

    def alike(self, agent: str, tool: str, states: frozenset[State], limit: int) -> list[Approval]:
        """The latest of this agent and tool in these states, newest first."""
        where = (APPROVAL.c.agent == agent) & (APPROVAL.c.tool == tool) & APPROVAL.c.state.in_(sorted(states))
        order = (APPROVAL.c.requested_at.desc(), APPROVAL.c.id)
        return list(self._found(where, limit=limit, order=order))

    def counts(self) -> dict[State, int]:
        """How many there are in each state."""
        rows = self._connection.execute(sql.select(APPROVAL.c.state, sql.func.count()).group_by(APPROVAL.c.state))
        return {State(state): count for state, count in rows}

    def add(self, approval: Approval, event: Event) -> None:
        """A new approval."""
        values = {name: getattr(approval, name) for name in approval.__struct_fields__ if name != "votes"}
        self._connection.execute(APPROVAL.insert().values(**_row(values), due_at=due_at(approval)))
        self.record(event)
        self._enqueue(approval.id, NOTIFY)

    def vote(self, id: str, vote: Vote, event: Event) -> None:
        """A reviewer's vote; one a reviewer."""
        values = {**msgspec.structs.asdict(vote), "groups": msgspec.json.encode(vote.groups).decode(), "approval": id}
        self._connection.execute(VOTE.insert().values(values))
        self.record(event)

    def unvote(self, id: str) -> None:
        """Forget the votes on an approval; the record keeps them."""
        self._connection.execute(VOTE.delete().where(VOTE.c.approval == id))

    def move(self, approval: Approval, new: State, event: Event, **values: Any) -> bool:
        """To ``new``; False, and nothing changed, where it is not in the state any more that ``approval`` says."""
        if not may_move(approval.state, new):
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
        if self._connection.execute(APPROVAL.update().where(mine).values(**_row(values), due_at=due)).rowcount != 1:
            return False
        if event is not None:
            self.record(event)
        self._enqueue(approval.id, NOTIFY)
        return True

    def _enqueue(self, id: str, kind: str) -> None:
        """Have this done about the approval, once this transaction commits."""
        mine = (JOB.c.kind == kind) & (JOB.c.approval == id)
        again = {"wanted": JOB.c.wanted + 1, "failures": 0, "run_at": 0.0, "dead": False, "error": ""}
        if self._connection.execute(JOB.update().where(mine).values(again)).rowcount == 0:
            new = {"wanted": 1, "attempt": 0, "failures": 0, "run_at": 0.0, "lease_until": 0.0}
            self._connection.execute(JOB.insert().values(kind=kind, approval=id, error="", dead=False, **new))
        self._wake(self._connection)

    def record(self, event: Event) -> None:
        """An event on the record, in this transaction."""
        self._audit.append(event, cursor=_driver(self._connection).cursor())

    def _found(
        self, where: sql.ColumnElement[bool], limit: int | None = None, order: Iterable[Any] = _LIVE_FIRST
    ) -> Iterator[Approval]:
        rows = self._connection.execute(sql.select(APPROVAL).where(where).order_by(*order).limit(limit)).mappings()
        for row in rows.all():
            values = {str(name): msgspec.json.decode(row[name]) if name in _JSON else row[name] for name in row}
            del values["due_at"]
            yield msgspec.convert({**values, "votes": self._votes(row["id"])}, Approval)

    def _votes(self, id: str) -> list[dict[str, Any]]:
        rows = self._connection.execute(sql.select(VOTE).where(VOTE.c.approval == id).order_by(VOTE.c.at))
        votes = [{str(name): row[name] for name in row} for row in rows.mappings()]
        return [{**vote, "groups": msgspec.json.decode(vote["groups"])} for vote in votes]


def _row(values: dict[str, Any]) -> dict[str, Any]:
    """Values as columns have them."""
    encoded = {name: msgspec.json.encode(values[name]).decode() for name in _JSON if name in values}
    return {**values, **encoded}


def _driver(connection: sql.Connection) -> sqlite3.Connection:
    """The driver's own connection: the record writes through it."""
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)
