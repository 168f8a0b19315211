"""The end of a training, kept with the standard library: SQLAlchemy takes longer to import than a training to run."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from rung.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEAD: Final = "0009"
"""The newest migration; a test holds it against the folder."""

BUSY_MS: Final = 10_000
"""How long SQLite waits for another writer."""

_KEEP = """
INSERT INTO runs (id, service, started, status, kind, record)
VALUES (:id, :service, :started, :status, :kind, :record)
ON CONFLICT (id) DO UPDATE SET
    service = :service, started = :started, status = :status, kind = :kind, record = :record
"""


def record_run(state: Path, record: Mapping[str, Any], url: str | None = None) -> None:
    """Keep the record of a run; of an id that is known, the newer record.

    Does what `Registry.record_run` does. A registry on PostgreSQL, and one that is not there yet or has another schema,
    takes the whole registry.

    Args:
        state: The workspace's state folder.
        record: A `RunRecord`, as JSON data.
        url: Of a PostgreSQL database (`Settings.registry`).

    Raises:
        WorkspaceError: A newer Rung wrote the registry.
        UnavailableError: It did not take the record.
    """
    try:
        if url is not None or not _keep(state / "registry.db", record):
            _keep_in_full(state, record, url)
    except sqlite3.OperationalError as error:
        raise UnavailableError(
            f"the registry did not take the run ({error})", hint="is the disk full, or the database locked?"
        ) from error


def _keep(path: Path, record: Mapping[str, Any]) -> bool:
    if not path.is_file():
        return False
    with closing(sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None)) as connection:
        if _version(connection) != HEAD:
            return False
        connection.execute("PRAGMA synchronous=FULL")
        row = {name: record[name] for name in ("id", "service", "started", "status")}
        connection.execute(_KEEP, {**row, "kind": record.get("kind", "training"), "record": json.dumps(record)})
    return True


def _version(connection: sqlite3.Connection) -> str | None:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone() if known else None
    return None if found is None else str(found[0])


def _keep_in_full(state: Path, record: Mapping[str, Any], url: str | None) -> None:
    from rung.registry._registry import open_registry  # noqa: PLC0415  once in a registry's life, or on PostgreSQL

    with open_registry(state, url) as registry:
        registry.record_run(record)
