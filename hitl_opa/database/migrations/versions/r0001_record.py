"""The record: a stream a writer, and its leaves."""

from __future__ import annotations

import sqlalchemy as sql
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    key = sql.BigInteger().with_variant(sql.Integer, "sqlite")
    op.create_table(
        "audit_stream",
        sql.Column("id", key, primary_key=True),
        sql.Column("stream", sql.Text, nullable=False, unique=True),
        sql.Column("started", sql.Text, nullable=False),
        sql.Column("labels", sql.Text, nullable=False),
        sql.Column("size", sql.BigInteger, nullable=False),
    )
    # tree: the compact tree after this leaf, so that damage in the middle can be told from what follows it.
    # salt and payload: NULL together where the event had none, or where it was erased.
    op.create_table(
        "audit_leaf",
        sql.Column("id", key, primary_key=True),
        sql.Column("stream", key, sql.ForeignKey("audit_stream.id"), nullable=False),
        sql.Column("seq", sql.BigInteger, nullable=False),
        sql.Column("leaf", sql.Text, nullable=False),
        sql.Column("tree", sql.LargeBinary, nullable=False),
        sql.Column("salt", sql.LargeBinary),
        sql.Column("payload", sql.Text),
        sql.UniqueConstraint("stream", "seq"),
    )
