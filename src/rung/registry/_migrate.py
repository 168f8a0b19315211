"""Migrations of the registry, run by Alembic on the registry's own connection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from rung.errors import WorkspaceError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def upgrade(connection: Connection, *, known: str | None) -> None:
    """Bring the schema to the newest version, inside the caller's transaction.

    Raises:
        WorkspaceError: The database has a version that this Rung does not know.
    """
    config = configuration(connection)
    versions = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if known is not None and known not in versions:
        raise WorkspaceError(f"the registry has the schema {known} of a newer Rung", hint="upgrade Rung")
    command.upgrade(config, "head")


def configuration(connection: Connection) -> Config:
    """Make Alembic's configuration for this connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config
