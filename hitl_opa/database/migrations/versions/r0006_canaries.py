"""Planted requests, which the database itself keeps from ever being approved or handed to a session."""

from __future__ import annotations

import sqlalchemy as sql
from alembic import op

revision = "0006"
down_revision = "0005"

NEVER_RUNS = "canary = '' OR (run = '' AND state IN ('pending', 'denied', 'expired', 'cancelled'))"
PLANTED = sql.text("canary != ''")


def upgrade() -> None:
    op.add_column(
        "approval",
        sql.Column("canary", sql.Text, sql.CheckConstraint(NEVER_RUNS), nullable=False, server_default=""),
    )
    op.create_index("approval_canary", "approval", ["requested_at"], sqlite_where=PLANTED, postgresql_where=PLANTED)
