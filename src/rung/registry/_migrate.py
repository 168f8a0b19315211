"""Migrations of the registry, run by Alembic on the registry's own connection, and what it says of the schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from rung.errors import NotFoundError, WorkspaceError
from rung.registry import _tables as tables

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy.engine import Connection

BASE = "base"
"""No schema at all."""


def versions() -> list[str]:
    """Name all schemas, the oldest first."""
    scripts = ScriptDirectory(str(_folder()))
    return [script.revision for script in reversed(list(scripts.walk_revisions()))]


def check_known(version: str | None) -> None:
    """Refuse a schema that this Rung does not know.

    Raises:
        WorkspaceError: A newer one made it.
    """
    if version is not None and version not in versions():
        raise WorkspaceError(f"the registry has the schema {version} of a newer Rung", hint="upgrade Rung")


def move(connection: Connection, to: str) -> None:
    """Bring the schema to a version, up or down, inside the caller's transaction.

    Raises:
        NotFoundError: There is no such version.
    """
    known = versions()
    if to != BASE and to not in known:
        raise NotFoundError(f"there is no schema {to!r}", hint=f"there are {', '.join(known)}, and {BASE!r}")
    config = configuration(connection)
    now = MigrationContext.configure(connection).get_current_revision()
    if to == BASE or (now is not None and known.index(to) < known.index(now)):
        command.downgrade(config, to)
    else:
        command.upgrade(config, to)


def below(version: str | None, wanted: str) -> str:
    """Name the version that a downgrade leads to: one that is named, or `-N` steps down.

    Raises:
        NotFoundError: It is not below the present one.
    """
    known = [BASE, *versions()]
    now = known.index(version or BASE)
    try:
        to = now + int(wanted) if wanted.startswith("-") else known.index(wanted)
    except ValueError:
        to = -1
    if not 0 <= to < now:
        raise NotFoundError(
            f"{wanted!r} is not below the schema {version or BASE}", hint=f"below it are {', '.join(known[:now])}"
        )
    return known[to]


def differences(connection: Connection) -> list[str]:
    """Tell how the database differs from the tables that this Rung expects."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": _is_ours})
    return [str(found) for found in compare_metadata(context, tables.metadata)]


def configuration(connection: Connection) -> Config:
    """Make Alembic's configuration for this connection."""
    config = Config()
    config.set_main_option("script_location", str(_folder()))
    config.attributes["connection"] = connection
    return config


def _folder() -> Path:
    return Path(__file__).with_name("migrations")


def _is_ours(name: str | None, kind: str, _: Any) -> bool:
    """Leave out tables of others in the same database."""
    return kind != "table" or name in tables.metadata.tables
