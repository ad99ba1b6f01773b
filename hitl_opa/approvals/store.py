"""Approvals in a database, beside the record: every change and its leaf are one transaction.

The only module that knows SQLAlchemy. The rows live in the record's own SQLite file, so that a change
of state is on record exactly when it happened.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

import msgspec
import sqlalchemy as sql
from sqlalchemy.pool import NullPool

from hitl_opa.approvals.approval import Approval, Query, Vote
from hitl_opa.approvals.clocks import due_at
from hitl_opa.approvals.states import LIVE, State, may_move
from hitl_opa.audit import AuditLog, Event, database
from hitl_opa.errors import ApprovalError

SCHEMA_VERSION = 2
_MEMORY = ":memory:"

_tables = sql.MetaData()
_version = sql.Table("approval_schema", _tables, sql.Column("version", sql.Integer, primary_key=True))
_approval = sql.Table(
    "approval",
    _tables,
    sql.Column("id", sql.Text, primary_key=True),
    *(
        sql.Column(name, sql.Text, nullable=False)
        for name in (
            *("digest", "state", "kind", "run", "scope", "session", "tool", "agent", "principal"),
            *("call_id", "decision_id", "risk", "terms", "document", "decision", "rationale", "reason"),
            *("edited", "edit", "answers"),
        )
    ),
    *(
        sql.Column(name, sql.Double, nullable=False)
        for name in (
            *("requested_at", "expires_at", "viewed_at", "decided_at"),
            *("execution_expires_at", "started_at", "ended_at", "due_at"),
        )
    ),
    sql.Column("escalated", sql.Integer, nullable=False),
)
_vote = sql.Table(
    "approval_vote",
    _tables,
    sql.Column("approval", sql.Text, sql.ForeignKey("approval.id"), primary_key=True),
    sql.Column("reviewer", sql.Text, primary_key=True),
    *(sql.Column(name, sql.Text, nullable=False) for name in ("groups", "reason", "channel", "category", "seen")),
    sql.Column("approves", sql.Boolean, nullable=False),
    *(sql.Column(name, sql.Double, nullable=False) for name in ("at", "look_ms")),
)
_is_live = _approval.c.state.in_(sorted(LIVE))
# one question a call: whoever asks at the same time finds the other's row
sql.Index("approval_live", _approval.c.digest, unique=True, sqlite_where=_is_live, postgresql_where=_is_live)
sql.Index("approval_by_digest", _approval.c.digest, _approval.c.requested_at)
sql.Index("approval_by_state", _approval.c.state, _approval.c.requested_at)

_LIVE_FIRST = (_is_live.desc(), _approval.c.requested_at.desc(), _approval.c.id)
sql.Index("approval_due", _approval.c.due_at)
sql.Index("approval_by_tool", _approval.c.agent, _approval.c.tool, _approval.c.requested_at)

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
            yield Transaction(connection, self.audit)

    def connected(self) -> AbstractContextManager[sql.Connection]:
        """A transaction that has the write lock, for tables that stand beside the approvals."""
        return self._transaction()

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
        found = set(sql.inspect(connection).get_table_names()) & set(_tables.tables)
        if not found:
            _tables.create_all(connection)
            connection.execute(_version.insert().values(version=SCHEMA_VERSION))
            return
        versions = list(connection.execute(sql.select(_version.c.version)).scalars()) if _version.name in found else []
        if versions != [SCHEMA_VERSION] or found != set(_tables.tables):
            raise ApprovalError(
                f"the approvals in {self.audit.path} have schema version {versions or 'none'}, this hitl-opa uses "
                f"{SCHEMA_VERSION}; use the hitl-opa that wrote them, or another audit file"
            )


class Transaction:
    """What can be done to approvals, each change together with its event for the record."""

    def __init__(self, connection: sql.Connection, audit: AuditLog) -> None:
        self._connection = connection
        self._audit = audit

    def get(self, id: str) -> Approval | None:
        """The approval with this id."""
        return next(self._found(_approval.c.id == id), None)

    def starting(self, prefix: str) -> list[Approval]:
        """At most three of the approvals whose id starts so."""
        return list(self._found(_approval.c.id.startswith(prefix, autoescape=True), limit=3))

    def latest(self, digest: str) -> Approval | None:
        """The approval of this call that was asked last, live ones first."""
        return next(self._found(_approval.c.digest == digest, limit=1), None)

    def overdue(self, now: float) -> list[Approval]:
        """Approvals to which something happens by ``now``, at most a few hundred of them."""
        return list(self._found((_approval.c.due_at > 0) & (_approval.c.due_at <= now), limit=500))

    def search(self, query: Query) -> list[Approval]:
        """What a query asks for, newest first."""
        where: list[sql.ColumnElement[bool]] = []
        if query.states:
            where.append(_approval.c.state.in_(sorted(query.states)))
        for name in ("agent", "tool", "risk", "session"):
            if value := getattr(query, name):
                where.append(_approval.c[name] == value)
        for word in query.text.split():
            shown = _approval.c.document + _approval.c.id + _approval.c.tool + _approval.c.principal
            where.append(shown.icontains(word, autoescape=True))
        if query.after:
            last = sql.select(_approval.c.requested_at).where(_approval.c.id == query.after).scalar_subquery()
            older = _approval.c.requested_at < last
            where.append(older | ((_approval.c.requested_at == last) & (_approval.c.id > query.after)))
        order = (_approval.c.requested_at.desc(), _approval.c.id)
        return list(self._found(sql.and_(sql.true(), *where), limit=query.limit, order=order))

    def alike(self, agent: str, tool: str, states: frozenset[State], limit: int) -> list[Approval]:
        """The latest of this agent and tool in these states, newest first."""
        where = (_approval.c.agent == agent) & (_approval.c.tool == tool) & _approval.c.state.in_(sorted(states))
        order = (_approval.c.requested_at.desc(), _approval.c.id)
        return list(self._found(where, limit=limit, order=order))

    def counts(self) -> dict[State, int]:
        """How many there are in each state."""
        rows = self._connection.execute(sql.select(_approval.c.state, sql.func.count()).group_by(_approval.c.state))
        return {State(state): count for state, count in rows}

    def add(self, approval: Approval, event: Event) -> None:
        """A new approval."""
        values = {name: getattr(approval, name) for name in approval.__struct_fields__ if name != "votes"}
        self._connection.execute(_approval.insert().values(**_row(values), due_at=due_at(approval)))
        self.record(event)

    def vote(self, id: str, vote: Vote, event: Event) -> None:
        """A reviewer's vote; one a reviewer."""
        values = {**msgspec.structs.asdict(vote), "groups": msgspec.json.encode(vote.groups).decode(), "approval": id}
        self._connection.execute(_vote.insert().values(values))
        self.record(event)

    def unvote(self, id: str) -> None:
        """Forget the votes on an approval; the record keeps them."""
        self._connection.execute(_vote.delete().where(_vote.c.approval == id))

    def move(self, approval: Approval, new: State, event: Event, **values: Any) -> bool:
        """To ``new``; False, and nothing changed, where it is not in the state any more that ``approval`` says."""
        if not may_move(approval.state, new):
            raise ApprovalError(f"an approval that is {approval.state} cannot become {new}")
        return self.update(approval, event, state=new, **values)

    def update(self, approval: Approval, event: Event | None, **values: Any) -> bool:
        """Other values; False, and nothing changed, where its state is not what ``approval`` says."""
        mine = (_approval.c.id == approval.id) & (_approval.c.state == approval.state)
        due = due_at(msgspec.structs.replace(approval, **values))
        if self._connection.execute(_approval.update().where(mine).values(**_row(values), due_at=due)).rowcount != 1:
            return False
        if event is not None:
            self.record(event)
        return True

    def record(self, event: Event) -> None:
        """An event on the record, in this transaction."""
        self._audit.append(event, cursor=_driver(self._connection).cursor())

    def _found(
        self, where: sql.ColumnElement[bool], limit: int | None = None, order: Iterable[Any] = _LIVE_FIRST
    ) -> Iterator[Approval]:
        rows = self._connection.execute(sql.select(_approval).where(where).order_by(*order).limit(limit)).mappings()
        for row in rows.all():
            values = {str(name): msgspec.json.decode(row[name]) if name in _JSON else row[name] for name in row}
            del values["due_at"]
            yield msgspec.convert({**values, "votes": self._votes(row["id"])}, Approval)

    def _votes(self, id: str) -> list[dict[str, Any]]:
        rows = self._connection.execute(sql.select(_vote).where(_vote.c.approval == id).order_by(_vote.c.at))
        votes = [{str(name): row[name] for name in row} for row in rows.mappings()]
        return [{**vote, "groups": msgspec.json.decode(vote["groups"])} for vote in votes]


def _row(values: dict[str, Any]) -> dict[str, Any]:
    """Values as columns have them."""
    encoded = {name: msgspec.json.encode(values[name]).decode() for name in _JSON if name in values}
    return {**values, **encoded}


def _driver(connection: sql.Connection) -> sqlite3.Connection:
    """The driver's own connection: the record writes through it."""
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)
