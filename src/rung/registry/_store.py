"""The registry's database: one file, one writer at a time, brought to the newest schema when it is opened."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import URL, create_engine, event, text
from sqlalchemy.exc import OperationalError

from rung.errors import UnavailableError
from rung.registry._runs import BUSY_MS, HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy.engine import Connection, Engine


def connect(state: Path) -> Engine:
    """Name the database of a workspace; it is opened by the first statement."""
    url = URL.create("sqlite", database=str(state / "registry.db"))
    engine = create_engine(url, connect_args={"timeout": BUSY_MS / 1000})
    event.listen(engine, "connect", _configure)
    return engine


def _configure(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are begun below, as writers from the first statement on
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Store:
    """An engine, transactions, and the schema's version."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def migrate(self) -> None:
        """Bring the database to the newest schema."""
        version = self._version()
        if version == HEAD:
            return
        # Alembic takes longer to import than a training may take; it is needed once in a registry's life.
        from rung.registry._migrate import upgrade  # noqa: PLC0415

        with self._write() as connection:
            upgrade(connection, known=version)

    def _version(self) -> str | None:
        with self._engine.connect() as connection:
            try:
                return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            except OperationalError as error:
                if "no such table" in str(error):
                    return None
                raise

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """Give a connection that is the only writer until the block ends; an error undoes all of it."""
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                driver: Any = connection.connection.dbapi_connection
                try:
                    yield connection
                except BaseException:
                    if driver.in_transaction:  # a full disk has ended it already
                        connection.exec_driver_sql("ROLLBACK")
                    raise
                connection.exec_driver_sql("COMMIT")
        except OperationalError as error:
            raise UnavailableError(
                f"the registry did not take the change ({error.orig})", hint="is the disk full, or the database locked?"
            ) from error
