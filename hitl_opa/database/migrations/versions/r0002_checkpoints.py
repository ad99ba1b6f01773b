"""Signed checkpoints, and how far each anchor has got them."""

from __future__ import annotations

import sqlalchemy as sql
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "audit_checkpoint",
        sql.Column("stream", sql.Text, primary_key=True),
        sql.Column("size", sql.BigInteger, primary_key=True),
        sql.Column("note", sql.Text, nullable=False),
    )
    op.create_table(
        "audit_anchored",
        sql.Column("anchor", sql.Text, primary_key=True),
        sql.Column("stream", sql.Text, primary_key=True),
        sql.Column("size", sql.BigInteger, nullable=False),
    )
