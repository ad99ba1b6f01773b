"""Alembic's way into a migration: over the connection of `hitl_opa.database.schema`, or into a text."""

from __future__ import annotations

from alembic import context

from hitl_opa.database.schema import TABLE

given = context.config.attributes
if context.is_offline_mode():
    context.configure(dialect_name=given["dialect"], version_table=TABLE, literal_binds=True)
else:
    # the transaction is the caller's: what a migration does is done with all of them, or not at all
    context.configure(connection=given["connection"], version_table=TABLE, transactional_ddl=False)
with context.begin_transaction():
    context.run_migrations()
