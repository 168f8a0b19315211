"""The registry's schema and its content as a whole: migrations with a backup before each, checks, dumps."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import DatabaseError

from rung.errors import ConflictError
from rung.registry._runs import HEAD
from rung.registry._store import Store, reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from rung.registry._dump import Dump

_log = logging.getLogger("rung.registry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """A change of the schema."""

    before: str | None
    after: str | None
    backup: Path | None
    """The registry as it was; None when it had no rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a check of the registry found."""

    backend: str
    where: str
    version: str | None
    head: str
    rows: Mapping[str, int]
    problems: tuple[str, ...]
    """Sentences; none when all is well."""


class Schema(Store):
    """Migrations, checks, dumps."""

    def version(self) -> str | None:
        """Give the migration that the tables have; None for an empty database."""
        with self._read() as connection:
            return _version(connection)

    def migrate(self) -> None:
        """Bring the database to the newest schema, when it is not there yet.

        Raises:
            WorkspaceError: A newer Rung made it.
        """
        if self.version() != HEAD:
            done = self.upgrade()
            if done.backup is not None:
                _log.warning("registry: schema %s became %s; as it was: %s", done.before, done.after, done.backup)

    def upgrade(self) -> Migration:
        """Bring the database to the newest schema; of several that try, one does it."""
        return self._move(HEAD)

    def downgrade(self, to: str = "-1") -> Migration:
        """Bring the schema back to an earlier version; what that one cannot hold is only in the backup.

        Args:
            to: The version, `base`, or `-N` for N steps.

        Raises:
            NotFoundError: There is no such version below the present one.
        """
        return self._move(to, is_down=True)

    def check(self) -> Health:
        """Hold the database against what this Rung expects, and have it look for damage."""
        # Alembic takes longer to import than most commands take.
        from rung.registry import _dump, _migrate  # noqa: PLC0415

        with self._snapshot() as connection:
            version, problems = _version(connection), _damage(connection)
            rows: dict[str, int] = {}
            if not problems:
                problems += _mismatch(version) or map("the tables differ: {}".format, _migrate.differences(connection))
                rows = {
                    table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                    for table in _dump.reflected(connection)
                }
        backend = self.backend
        return Health(
            backend=backend.name, where=backend.where, version=version, head=HEAD, rows=rows, problems=tuple(problems)
        )

    def dump(self, path: Path) -> Dump:
        """Write all tables into a file as they are now, while others write; it is there whole, or not at all.

        Raises:
            ConflictError: There is no schema yet.
        """
        from rung.registry import _dump  # noqa: PLC0415  few commands write one

        with self._snapshot() as connection:
            return _dump.write_dump(connection, path, schema=_required(_version(connection)))

    def load(self, path: Path) -> Dump:
        """Fill an empty registry from a dump of either database, of this schema or an older one: all or nothing.

        Raises:
            ConflictError: The registry is not empty.
            IntegrityError: The dump is not whole.
            WorkspaceError: A newer Rung wrote it.
        """
        from rung.registry import _dump, _migrate  # noqa: PLC0415  few commands read one

        found = _dump.read_dump(path)
        _migrate.check_known(found.schema)
        with self._write() as connection:
            if not _dump.is_empty(connection):
                raise ConflictError(
                    f"the registry {self.backend.where} is not empty", hint="load into one that was just made"
                )
            _migrate.move(connection, found.schema)
            _dump.fill(connection, path)
            _migrate.move(connection, HEAD)
        return found

    def _move(self, to: str, *, is_down: bool = False) -> Migration:
        from rung.registry import _dump, _migrate  # noqa: PLC0415  needed once in a registry's life

        with self._write() as connection:
            before = _version(connection)
            _migrate.check_known(before)
            after = _migrate.below(before, to) if is_down else to
            if before == after:
                return Migration(before=before, after=after, backup=None)
            backup = None
            if before is not None and not _dump.is_empty(connection):
                backup = self._backup_path(before)
                _dump.write_dump(connection, backup, schema=before)
            _migrate.move(connection, after)
        return Migration(before=before, after=after, backup=backup)

    def _backup_path(self, version: str) -> Path:
        self.backups.mkdir(parents=True, exist_ok=True)
        return self.backups / f"registry-{version}-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.jsonl"

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        with self._read() as connection, self.backend.reading(connection):
            yield connection


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _required(version: str | None) -> str:
    if version is None:
        raise ConflictError("the registry has no schema yet", hint="`rung db upgrade` makes it")
    return version


def _mismatch(version: str | None) -> list[str]:
    """Tell how a schema differs from the one that this Rung works with."""
    from rung.registry import _migrate  # noqa: PLC0415  only for checks

    if version is None:
        return ["there is no schema yet: `rung db upgrade`"]
    if version not in _migrate.versions():
        return [f"the schema {version} is of a newer Rung: upgrade Rung"]
    return [] if version == HEAD else [f"the schema {version} is older than {HEAD}: `rung db upgrade`"]


def _damage(connection: Connection) -> list[str]:
    """Let SQLite read all of its pages; ask PostgreSQL whether it keeps what it acknowledges."""
    if connection.dialect.name == "sqlite":
        try:
            found = connection.execute(text("PRAGMA integrity_check")).scalars().all()
        except DatabaseError as error:
            found = [reason(error)]
        return [f"the file is damaged: {told}" for told in found if told != "ok"]
    settings = {name: connection.execute(text(f"SHOW {name}")).scalar() for name in ("fsync", "synchronous_commit")}
    return [f"the server has {name} = off: it may lose what it took" for name, on in settings.items() if on == "off"]
