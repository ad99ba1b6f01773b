"""Approvals and votes; a file may have them already, since they were made when they were first used."""

from __future__ import annotations

import sqlalchemy as sql
from alembic import context, op

revision = "0003"
down_revision = "0002"


LIVE = sql.text("state IN ('approved', 'pending')")


def upgrade() -> None:
    if not context.is_offline_mode() and sql.inspect(op.get_bind()).has_table("approval"):
        return
    names = ("digest", "state", "session", "tool", "agent", "principal", "call_id", "decision_id", "risk")
    more = ("terms", "document", "decision", "rationale", "reason")
    times = ("requested_at", "expires_at", "decided_at", "execution_expires_at", "started_at", "ended_at")
    op.create_table(
        "approval",
        sql.Column("id", sql.Text, primary_key=True),
        *(sql.Column(name, sql.Text, nullable=False) for name in (*names, *more)),
        *(sql.Column(name, sql.Double, nullable=False) for name in times),
    )
    op.create_table(
        "approval_vote",
        sql.Column("approval", sql.Text, sql.ForeignKey("approval.id"), primary_key=True),
        sql.Column("reviewer", sql.Text, primary_key=True),
        sql.Column("groups", sql.Text, nullable=False),
        sql.Column("approves", sql.Boolean, nullable=False),
        sql.Column("reason", sql.Text, nullable=False),
        sql.Column("at", sql.Double, nullable=False),
    )
    op.create_index("approval_live", "approval", ["digest"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE)
    op.create_index("approval_by_digest", "approval", ["digest", "requested_at"])
    op.create_index("approval_by_state", "approval", ["state", "requested_at"])
