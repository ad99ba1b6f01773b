"""Approvals in a database, beside the record: every change and its leaf are one transaction.

The only module that knows SQLAlchemy. The rows live in the record's own SQLite file, so that a change
of state is on record exactly when it happened.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import msgspec
import sqlalchemy as sql
from sqlalchemy.pool import NullPool

from hitl_opa.approvals.approval import Approval, Terms, Vote
from hitl_opa.approvals.states import LIVE, State, may_move
from hitl_opa.audit import AuditLog, Event, database
from hitl_opa.errors import ApprovalError

SCHEMA_VERSION = 1
_MEMORY = ":memory:"

_tables = sql.MetaData()
_version = sql.Table("approval_schema", _tables, sql.Column("version", sql.Integer, primary_key=True))
_approval = sql.Table(
    "approval",
    _tables,
    sql.Column("id", sql.Text, primary_key=True),
    *(
        sql.Column(name, sql.Text, nullable=False)
        for name in ("digest", "state", "session", "tool", "agent", "principal", "call_id", "decision_id", "risk")
    ),
    *(sql.Column(name, sql.Text, nullable=False) for name in ("terms", "document", "decision", "rationale", "reason")),
    *(
        sql.Column(name, sql.Double, nullable=False)
        for name in (
            *("requested_at", "expires_at", "decided_at"),
            *("execution_expires_at", "started_at", "ended_at"),
        )
    ),
)
_vote = sql.Table(
    "approval_vote",
    _tables,
    sql.Column("approval", sql.Text, sql.ForeignKey("approval.id"), primary_key=True),
    sql.Column("reviewer", sql.Text, primary_key=True),
    sql.Column("groups", sql.Text, nullable=False),
    sql.Column("approves", sql.Boolean, nullable=False),
    sql.Column("reason", sql.Text, nullable=False),
    sql.Column("at", sql.Double, nullable=False),
)
_is_live = _approval.c.state.in_(sorted(LIVE))
# one question a call: whoever asks at the same time finds the other's row
sql.Index("approval_live", _approval.c.digest, unique=True, sqlite_where=_is_live, postgresql_where=_is_live)
sql.Index("approval_by_digest", _approval.c.digest, _approval.c.requested_at)
sql.Index("approval_by_state", _approval.c.state, _approval.c.requested_at)

_JSON = ("terms", "document", "decision")


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
        """Live approvals whose clock has run out."""
        pending = (_approval.c.state == State.PENDING) & (_approval.c.expires_at <= now)
        unused = (_approval.c.state == State.APPROVED) & (_approval.c.execution_expires_at <= now)
        return list(self._found(pending | unused))

    def listed(self, states: frozenset[State], limit: int) -> list[Approval]:
        """The latest in these states, newest first."""
        return list(self._found(_approval.c.state.in_(sorted(states)), limit=limit))

    def add(self, approval: Approval, event: Event) -> None:
        """A new approval."""
        values = {name: getattr(approval, name) for name in approval.__struct_fields__ if name != "votes"}
        for name in _JSON:
            values[name] = msgspec.json.encode(values[name]).decode()
        self._connection.execute(_approval.insert().values(values))
        self.record(event)

    def vote(self, id: str, vote: Vote, event: Event) -> None:
        """A reviewer's vote; one a reviewer."""
        values = {**msgspec.structs.asdict(vote), "groups": msgspec.json.encode(vote.groups).decode(), "approval": id}
        self._connection.execute(_vote.insert().values(values))
        self.record(event)

    def move(self, id: str, old: State, new: State, event: Event, **values: Any) -> bool:
        """From ``old`` to ``new``; False, and nothing changed, where it is not in ``old``."""
        if not may_move(old, new):
            raise ApprovalError(f"an approval that is {old} cannot become {new}")
        mine = (_approval.c.id == id) & (_approval.c.state == old)
        if self._connection.execute(_approval.update().where(mine).values(state=new, **values)).rowcount != 1:
            return False
        self.record(event)
        return True

    def record(self, event: Event) -> None:
        """An event on the record, in this transaction."""
        self._audit.append(event, cursor=_driver(self._connection).cursor())

    def _found(self, where: sql.ColumnElement[bool], limit: int | None = None) -> Iterator[Approval]:
        order = (_is_live.desc(), _approval.c.requested_at.desc(), _approval.c.id)
        rows = self._connection.execute(sql.select(_approval).where(where).order_by(*order).limit(limit)).mappings()
        for row in rows.all():
            values = {**row, **{name: msgspec.json.decode(row[name]) for name in _JSON}}
            values["terms"] = msgspec.convert(values["terms"], Terms)
            yield Approval(**{**values, "state": State(row["state"]), "votes": self._votes(row["id"])})

    def _votes(self, id: str) -> list[Vote]:
        rows = self._connection.execute(sql.select(_vote).where(_vote.c.approval == id).order_by(_vote.c.at))
        return [
            Vote(
                reviewer=r.reviewer, groups=msgspec.json.decode(r.groups), approves=r.approves, reason=r.reason, at=r.at
            )
            for r in rows
        ]


def _driver(connection: sql.Connection) -> sqlite3.Connection:
    """The driver's own connection: the record writes through it."""
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)
