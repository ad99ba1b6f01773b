"""The tables of approvals, of grants, of jobs, of what people were told, of people, and of transcripts.

A change here takes a migration too (`hitl_opa.database.migrations`); a test compares them.
"""

from __future__ import annotations

import sqlalchemy as sql

from hitl_opa.approvals.states import LIVE

METADATA = sql.MetaData()
APPROVAL = sql.Table(
    "approval",
    METADATA,
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
    # whatever the code does, what was planted is never approved and no session goes on with it
    sql.Column(
        "canary",
        sql.Text,
        sql.CheckConstraint("canary = '' OR (run = '' AND state IN ('pending', 'denied', 'expired', 'cancelled'))"),
        nullable=False,
    ),
)
VOTE = sql.Table(
    "approval_vote",
    METADATA,
    sql.Column("approval", sql.Text, sql.ForeignKey("approval.id"), primary_key=True),
    sql.Column("reviewer", sql.Text, primary_key=True),
    *(sql.Column(name, sql.Text, nullable=False) for name in ("groups", "reason", "channel", "category", "seen")),
    sql.Column("approves", sql.Boolean, nullable=False),
    *(sql.Column(name, sql.Double, nullable=False) for name in ("at", "look_ms")),
)
IS_PLANTED = APPROVAL.c.canary != ""
IS_LIVE = APPROVAL.c.state.in_(sorted(LIVE))
# one question a call: whoever asks at the same time finds the other's row
sql.Index("approval_live", APPROVAL.c.digest, unique=True, sqlite_where=IS_LIVE, postgresql_where=IS_LIVE)
sql.Index("approval_by_digest", APPROVAL.c.digest, APPROVAL.c.requested_at)
sql.Index("approval_by_state", APPROVAL.c.state, APPROVAL.c.requested_at)
sql.Index("approval_by_time", APPROVAL.c.requested_at)
sql.Index("approval_canary", APPROVAL.c.requested_at, sqlite_where=IS_PLANTED, postgresql_where=IS_PLANTED)
sql.Index("approval_due", APPROVAL.c.due_at)
sql.Index("approval_by_tool", APPROVAL.c.agent, APPROVAL.c.tool, APPROVAL.c.requested_at)

JOB = sql.Table(
    "approval_job",
    METADATA,
    sql.Column("kind", sql.Text, primary_key=True),
    sql.Column("approval", sql.Text, sql.ForeignKey("approval.id"), primary_key=True),
    *(sql.Column(name, sql.Integer, nullable=False) for name in ("wanted", "attempt", "failures")),
    *(sql.Column(name, sql.Double, nullable=False) for name in ("run_at", "lease_until")),
    sql.Column("error", sql.Text, nullable=False),
    sql.Column("dead", sql.Boolean, nullable=False),
)
sql.Index("approval_job_due", JOB.c.dead, JOB.c.run_at)

GRANT = sql.Table(
    "standing_grant",
    METADATA,
    sql.Column("id", sql.Text, primary_key=True),
    *(
        sql.Column(name, sql.Text, nullable=False)
        for name in (
            *("kind", "principal", "waives", "reviewer", "scope", "tool", "agent", "session", "effects"),
            *("approval", "decision_id", "revoked_by"),
        )
    ),
    *(sql.Column(name, sql.Double, nullable=False) for name in ("granted_at", "expires_at", "used_at", "revoked_at")),
    *(sql.Column(name, sql.Integer, nullable=False) for name in ("max_uses", "uses")),
)
sql.Index("standing_grant_by_principal", GRANT.c.principal, GRANT.c.expires_at)

LETTER = sql.Table(
    "letter",
    METADATA,
    sql.Column("id", sql.Text, primary_key=True),
    *(sql.Column(name, sql.Text, nullable=False) for name in ("channel", "audience", "ref", "shown")),
    *(sql.Column(name, sql.Text, nullable=False) for name in ("stamp", "problem")),
    *(sql.Column(name, sql.Boolean, nullable=False) for name in ("tried", "closed")),
    *(sql.Column(name, sql.Double, nullable=False) for name in ("lease_until", "next_at")),
    sql.Column("attempts", sql.Integer, nullable=False),
)
ABOUT = sql.Table(
    "letter_about",
    METADATA,
    *(sql.Column(name, sql.Text, primary_key=True) for name in ("approval", "channel", "audience")),
    sql.Column("step", sql.Integer, primary_key=True),
    sql.Column("letter", sql.Text, nullable=False),
    sql.Column("at", sql.Double, nullable=False),
)
ROUTED = sql.Table(
    "letter_routed",
    METADATA,
    sql.Column("approval", sql.Text, primary_key=True),
    sql.Column("step", sql.Integer, primary_key=True),
)
LINK = sql.Table(
    "letter_link",
    METADATA,
    sql.Column("nonce", sql.Text, primary_key=True),
    *(sql.Column(name, sql.Text, nullable=False) for name in ("letter", "approval", "digest", "reviewer")),
)
REPLY = sql.Table(
    "letter_reply",
    METADATA,
    sql.Column("id", sql.Text, primary_key=True),
    sql.Column("body", sql.Text, nullable=False),
    sql.Column("answer", sql.Text, nullable=False),
    sql.Column("at", sql.Double, nullable=False),
)
sql.Index("letter_by_closed", LETTER.c.closed)
sql.Index("letter_about_by_letter", ABOUT.c.letter)
sql.Index("letter_link_by_letter", LINK.c.letter)

ACCOUNT = sql.Table(
    "account",
    METADATA,
    sql.Column("name", sql.Text, primary_key=True),
    *(sql.Column(name, sql.Text, nullable=False) for name in ("role", "groups", "password", "subject")),
    sql.Column("disabled", sql.Boolean, nullable=False),
    sql.Column("created_at", sql.Double, nullable=False),
)
LOGIN = sql.Table(
    "login",
    METADATA,
    sql.Column("id", sql.Text, primary_key=True),
    *(sql.Column(name, sql.Text, nullable=False) for name in ("account", "auth")),
    *(sql.Column(name, sql.Double, nullable=False) for name in ("created_at", "seen_at", "authenticated_at")),
)
sql.Index("login_by_account", LOGIN.c.account)

# agent "*" stands for the switch that freezes everything
AUTONOMY = sql.Table(
    "autonomy",
    METADATA,
    *(sql.Column(name, sql.Text, primary_key=True) for name in ("agent", "version", "tool", "risk")),
    sql.Column("level", sql.Integer, nullable=False),
    sql.Column("at", sql.Double, nullable=False),
)

# of one transcript: whoever writes it waits for each batch, so that ids are its order
TRANSCRIPT = sql.Table(
    "transcript",
    METADATA,
    sql.Column("id", sql.BigInteger().with_variant(sql.Integer, "sqlite"), primary_key=True),
    *(sql.Column(name, sql.Text, nullable=False) for name in ("project", "session", "agent", "entry_id", "entry")),
    sql.Column("at", sql.Double, nullable=False),
)
_PLACE = (TRANSCRIPT.c.project, TRANSCRIPT.c.session, TRANSCRIPT.c.agent)
_HAS_ID = TRANSCRIPT.c.entry_id != ""
sql.Index("transcript_by_place", *_PLACE, TRANSCRIPT.c.id)
sql.Index(
    "transcript_once", *_PLACE, TRANSCRIPT.c.entry_id, unique=True, sqlite_where=_HAS_ID, postgresql_where=_HAS_ID
)
