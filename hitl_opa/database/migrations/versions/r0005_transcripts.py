"""Transcripts of sessions, so that a machine that shares nothing but the database can go on with them."""

from __future__ import annotations

import sqlalchemy as sql
from alembic import op

revision = "0005"
down_revision = "0004"

HAS_ID = sql.text("entry_id != ''")


def upgrade() -> None:
    place = ("project", "session", "agent")
    op.create_table(
        "transcript",
        sql.Column("id", sql.BigInteger().with_variant(sql.Integer, "sqlite"), primary_key=True),
        *(sql.Column(name, sql.Text, nullable=False) for name in (*place, "entry_id", "entry")),
        sql.Column("at", sql.Double, nullable=False),
    )
    op.create_index("transcript_by_place", "transcript", [*place, "id"])
    op.create_index(
        "transcript_once",
        "transcript",
        [*place, "entry_id"],
        unique=True,
        sqlite_where=HAS_ID,
        postgresql_where=HAS_ID,
    )
