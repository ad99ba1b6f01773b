"""The schema: made at once where there is none, brought up to date by migrations where it is an older one.

The migrations (``migrations/versions``) are what it is; ``sqlite.sql`` and ``postgres.sql`` are written from
them (``python -m hitl_opa.database.schema``), so that a new database takes neither Alembic nor its time.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hitl_opa.errors import AuditError

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = 6
"""The newest version; the migration that leads to it has its number as name."""

TABLE = "hitl_schema"  # holds the version; other programs may have an alembic_version in the same database
_HERE = Path(__file__).parent
_ONE = threading.Lock()  # Alembic's way into a migration is a global of its module


def statements(dialect: str) -> list[str]:
    """What makes the newest schema in an empty database; ``dialect``: sqlite or postgresql."""
    text = (_HERE / f"{dialect}.sql").read_text(encoding="utf-8")
    return [statement for part in text.split(";\n") if (statement := part.strip())]


def too_new(what: str, version: object) -> AuditError:
    """The error for a database that this version of hitl-opa cannot know."""
    return AuditError(
        f"{what} has schema version {version}, this hitl-opa knows those up to {HEAD}; "
        "use the hitl-opa that wrote it, or another database"
    )


def upgrade(connection: Any, dialect: str, begin: Callable[[], int]) -> None:
    """Run the migrations that are missing over a driver's connection, all in one transaction.

    ``begin`` begins it, with the write lock, and returns the version that is there then. Raises AuditError, and
    then nothing was changed.
    """
    import sqlalchemy as sql
    from alembic import command
    from sqlalchemy.pool import StaticPool

    engine = sql.create_engine(dialect, creator=lambda: connection, poolclass=StaticPool, **_options(dialect))
    version = 0
    try:
        with engine.connect() as session:  # which looks at the database, and rolls back: only now it may begin
            version = begin()
            if version == HEAD:
                connection.rollback()  # another process was faster
                return
            if not sql.inspect(session).has_table(TABLE):  # its version stood elsewhere before there were migrations
                table = sql.Table(TABLE, sql.MetaData(), sql.Column("version_num", sql.String(32), primary_key=True))
                table.create(session)
                session.execute(table.insert().values(version_num=f"{version:04}"))
            config = _config()
            config.attributes["connection"] = session
            with _ONE:
                command.upgrade(config, "head")
            if dialect.startswith("sqlite"):  # which keeps it where it is found without a query
                session.exec_driver_sql(f"PRAGMA user_version = {HEAD}")
            session.commit()
    except sql.exc.SQLAlchemyError as error:
        raise AuditError(
            f"the schema could not be brought from version {version} to {HEAD}, nothing was changed: {error}"
        ) from error


def _options(dialect: str) -> dict[str, Any]:
    return {"use_native_hstore": False} if dialect.startswith("postgresql") else {}


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def written(dialect: str) -> str:
    """The text of ``{dialect}.sql``, from the migrations."""
    from alembic import command

    config = _config()
    config.output_buffer = io.StringIO()
    config.attributes["dialect"] = dialect
    command.upgrade(config, "head", sql=True)
    return "".join(f"{line.rstrip()}\n" for line in config.output_buffer.getvalue().splitlines() if _kept(line))


def _kept(line: str) -> bool:
    return not line.startswith(("--", "BEGIN;", "COMMIT;")) and bool(line.strip())


if __name__ == "__main__":
    for name in ("sqlite", "postgresql"):
        (_HERE / f"{name}.sql").write_text(written(name), encoding="utf-8")
