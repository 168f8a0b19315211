"""The two databases that a registry may lie in: a SQLite file in the state folder, or PostgreSQL by URL.

What differs between them is here: how a connection is made, how a transaction has the only word, what a whole look at
all tables is, and what time it is.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import URL, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from rung._sqlite import turn_on_wal
from rung.errors import WorkspaceError
from rung.registry._runs import BUSY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine

_WRITERS: Final = 0x52756E67  # names the lock of PostgreSQL that every writer of a registry takes; "Rung"
_LIMITS: Final = text(
    "SELECT set_config('lock_timeout', :wait, true), set_config('idle_in_transaction_session_timeout', :idle, true)"
)
_CONNECT_S: Final = 5
_IDLE_MS: Final = BUSY_MS // 2  # that a writer may do nothing: one that is frozen must not keep all others waiting
_SILENT_S: Final = 10  # after which a server that acknowledges nothing is given up


class Backend(Protocol):
    """A database."""

    name: str
    """`sqlite` or `postgresql`."""
    where: str
    """For people; without a password."""
    engine: Engine
    clock: str
    """SQL that gives the seconds since 1970 as the database counts them, now."""

    def writing(self, connection: Connection) -> AbstractContextManager[None]:
        """Begin a transaction that is the only writer until its end; an error undoes all of it."""

    def reading(self, connection: Connection) -> AbstractContextManager[None]:
        """Begin a transaction that sees all tables as they are now, whatever others write meanwhile."""


class Sqlite:
    """One file, in WAL mode."""

    name = "sqlite"
    clock = "SELECT (julianday('now') - 2440587.5) * 86400.0"

    def __init__(self, state: Path) -> None:
        path = state / "registry.db"
        url = URL.create("sqlite", database=str(path))
        self.where = str(path)
        self.engine = create_engine(url, connect_args={"timeout": BUSY_MS / 1000}, hide_parameters=True)
        event.listen(self.engine, "connect", _configure)

    @contextmanager
    def writing(self, connection: Connection) -> Iterator[None]:
        """Take the file's one lock for writers."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        driver: Any = connection.connection.dbapi_connection
        try:
            yield
        except BaseException:
            if driver.in_transaction:  # a full disk has ended it already
                connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")

    @contextmanager
    def reading(self, connection: Connection) -> Iterator[None]:
        """Read a snapshot of the log of writes."""
        connection.exec_driver_sql("BEGIN")
        try:
            yield
        finally:
            connection.exec_driver_sql("ROLLBACK")


def _configure(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are begun above, as writers from the first statement on
    cursor = connection.cursor()
    turn_on_wal(cursor, within_s=BUSY_MS / 1000)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Postgresql:
    """A database of a server, shared by several control planes.

    All writers take one lock that PostgreSQL keeps until their commit can be seen. So there is one writer at a time, as
    with SQLite, and the ids of events can be seen in their order: a reader that follows them skips none.
    """

    name = "postgresql"
    clock = "SELECT extract(epoch FROM clock_timestamp())::float8"

    def __init__(self, url: str) -> None:
        parsed = _parse(url)
        self.where = _told(parsed)
        try:
            self.engine = create_engine(
                parsed,
                connect_args=_settings(parsed),
                pool_pre_ping=True,
                hide_parameters=True,
                use_native_hstore=False,  # asking for that type takes longer than most reads
            )
        except ModuleNotFoundError:
            raise WorkspaceError(
                f"the registry is {self.where}, and psycopg is not installed", hint="install rung[platform,postgresql]"
            ) from None

    @contextmanager
    def writing(self, connection: Connection) -> Iterator[None]:
        """Wait for the lock of writers, as long as SQLite would; the server undoes a writer that is frozen or gone."""
        limits = {"wait": str(BUSY_MS), "idle": str(_IDLE_MS)}
        with connection.begin():
            connection.execute(_LIMITS, limits)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITERS})
            yield

    @contextmanager
    def reading(self, connection: Connection) -> Iterator[None]:
        """Read one snapshot."""
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        transaction = connection.begin()
        try:
            yield
        finally:
            transaction.rollback()


def _parse(url: str) -> URL:
    """Read a URL; what is wrong with it is not repeated, since it may hold a password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise WorkspaceError(
            "the URL of the registry cannot be read", hint="it is postgresql://USER@HOST:PORT/DATABASE"
        ) from None
    if parsed.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise WorkspaceError(
            f"the registry cannot be on {re.sub('[^a-z0-9+]', '', parsed.drivername.lower())}",
            hint="it is postgresql://USER@HOST:PORT/DATABASE",
        )
    return parsed.set(drivername="postgresql+psycopg")


def _settings(url: URL) -> dict[str, Any]:
    """Give what a connection needs to notice a server that is gone; what the URL says goes before it."""
    wanted = {
        "connect_timeout": _CONNECT_S,
        "application_name": "rung",
        "keepalives_idle": _SILENT_S // 2,
        "keepalives_interval": 1,
        "keepalives_count": _SILENT_S // 2,
        "tcp_user_timeout": _SILENT_S * 1000,
    }
    return {name: value for name, value in wanted.items() if name not in url.query}


def _told(url: URL) -> str:
    """Spell a URL for people: without its password, and without options, which may be secrets as well."""
    address = "".join(f"?host={host}" for host in (url.query.get("host"),) if isinstance(host, str))
    port = f":{url.port}" if url.port else ""
    user = f"{url.username}@" if url.username else ""
    return f"postgresql://{user}{url.host or ''}{port}/{url.database or ''}{address}"
