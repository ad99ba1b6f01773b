"""Questions, edits, escalation, grants; jobs that follow from changes; who was told of what; accounts; autonomy."""

from __future__ import annotations

import sqlalchemy as sql
from alembic import context, op

revision = "0004"
down_revision = "0003"


TEXTS = {"kind": "call", "run": "", "scope": "", "edited": "null", "edit": "null", "answers": "null"}
TIMES = ("viewed_at", "due_at")


def upgrade() -> None:
    for name, default in TEXTS.items():
        op.add_column("approval", sql.Column(name, sql.Text, nullable=False, server_default=default))
    for name in TIMES:
        op.add_column("approval", sql.Column(name, sql.Double, nullable=False, server_default="0"))
    op.add_column("approval", sql.Column("escalated", sql.Integer, nullable=False, server_default="0"))
    op.create_index("approval_due", "approval", ["due_at"])
    op.create_index("approval_by_tool", "approval", ["agent", "tool", "requested_at"])
    op.create_index("approval_by_time", "approval", ["requested_at"])
    for name in ("channel", "category", "seen"):
        op.add_column("approval_vote", sql.Column(name, sql.Text, nullable=False, server_default=""))
    op.add_column("approval_vote", sql.Column("look_ms", sql.Double, nullable=False, server_default="0"))
    _set_clocks()
    _jobs()
    _grants()
    _letters()
    _people()
    _earned()
    if not context.is_offline_mode() and sql.inspect(op.get_bind()).has_table("approval_schema"):
        op.drop_table("approval_schema")


def _set_clocks() -> None:
    op.execute("UPDATE approval SET run = session")
    op.execute("UPDATE approval SET due_at = expires_at WHERE state = 'pending'")
    op.execute("UPDATE approval SET due_at = execution_expires_at WHERE state = 'approved'")
    # the lease that calls have had since
    op.execute("UPDATE approval SET due_at = started_at + 3600 WHERE state = 'executing'")


def _jobs() -> None:
    op.create_table(
        "approval_job",
        sql.Column("kind", sql.Text, primary_key=True),
        sql.Column("approval", sql.Text, sql.ForeignKey("approval.id"), primary_key=True),
        *(sql.Column(name, sql.Integer, nullable=False) for name in ("wanted", "attempt", "failures")),
        *(sql.Column(name, sql.Double, nullable=False) for name in ("run_at", "lease_until")),
        sql.Column("error", sql.Text, nullable=False),
        sql.Column("dead", sql.Boolean, nullable=False),
    )
    op.create_index("approval_job_due", "approval_job", ["dead", "run_at"])


def _grants() -> None:
    names = ("kind", "principal", "waives", "reviewer", "scope", "tool", "agent", "session", "effects")
    op.create_table(
        "standing_grant",
        sql.Column("id", sql.Text, primary_key=True),
        *(sql.Column(name, sql.Text, nullable=False) for name in (*names, "approval", "decision_id", "revoked_by")),
        *(
            sql.Column(name, sql.Double, nullable=False)
            for name in ("granted_at", "expires_at", "used_at", "revoked_at")
        ),
        *(sql.Column(name, sql.Integer, nullable=False) for name in ("max_uses", "uses")),
    )
    op.create_index("standing_grant_by_principal", "standing_grant", ["principal", "expires_at"])


def _letters() -> None:
    texts = ("channel", "audience", "ref", "shown", "stamp", "problem")
    op.create_table(
        "letter",
        sql.Column("id", sql.Text, primary_key=True),
        *(sql.Column(name, sql.Text, nullable=False) for name in texts),
        *(sql.Column(name, sql.Boolean, nullable=False) for name in ("tried", "closed")),
        *(sql.Column(name, sql.Double, nullable=False) for name in ("lease_until", "next_at")),
        sql.Column("attempts", sql.Integer, nullable=False),
    )
    op.create_table(
        "letter_about",
        *(sql.Column(name, sql.Text, primary_key=True) for name in ("approval", "channel", "audience")),
        sql.Column("step", sql.Integer, primary_key=True),
        sql.Column("letter", sql.Text, nullable=False),
        sql.Column("at", sql.Double, nullable=False),
    )
    op.create_table(
        "letter_routed",
        sql.Column("approval", sql.Text, primary_key=True),
        sql.Column("step", sql.Integer, primary_key=True),
    )
    op.create_table(
        "letter_link",
        sql.Column("nonce", sql.Text, primary_key=True),
        *(sql.Column(name, sql.Text, nullable=False) for name in ("letter", "approval", "digest", "reviewer")),
    )
    op.create_table(
        "letter_reply",
        sql.Column("id", sql.Text, primary_key=True),
        *(sql.Column(name, sql.Text, nullable=False) for name in ("body", "answer")),
        sql.Column("at", sql.Double, nullable=False),
    )
    op.create_index("letter_by_closed", "letter", ["closed"])
    op.create_index("letter_about_by_letter", "letter_about", ["letter"])
    op.create_index("letter_link_by_letter", "letter_link", ["letter"])


def _people() -> None:
    op.create_table(
        "account",
        sql.Column("name", sql.Text, primary_key=True),
        *(sql.Column(name, sql.Text, nullable=False) for name in ("role", "groups", "password", "subject")),
        sql.Column("disabled", sql.Boolean, nullable=False),
        sql.Column("created_at", sql.Double, nullable=False),
    )
    op.create_table(
        "login",
        sql.Column("id", sql.Text, primary_key=True),
        *(sql.Column(name, sql.Text, nullable=False) for name in ("account", "auth")),
        *(sql.Column(name, sql.Double, nullable=False) for name in ("created_at", "seen_at", "authenticated_at")),
    )
    op.create_index("login_by_account", "login", ["account"])


def _earned() -> None:
    op.create_table(
        "autonomy",
        *(sql.Column(name, sql.Text, primary_key=True) for name in ("agent", "version", "tool", "risk")),
        sql.Column("level", sql.Integer, nullable=False),
        sql.Column("at", sql.Double, nullable=False),
    )
