"""The registry's database: transactions, and the token that a control plane must show to write."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from sqlalchemy import select, text
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from rung.errors import LeaseLostError, UnavailableError
from rung.registry import _tables as tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy.engine import Connection

    from rung.registry._backends import Backend

GONE = (OperationalError, InterfaceError, InternalError, PoolTimeoutError)
"""What the database says when it is not there, full, locked or read-only: the same may work later."""


class Store:
    """A database, and the transactions of everything above."""

    def __init__(self, backend: Backend, *, backups: Path) -> None:
        self.backend = backend
        self.backups = backups
        """Where the registry is kept before its schema is changed."""
        self._engine = backend.engine
        self._token: int | None = None
        self._on_loss: Callable[[], None] = _do_nothing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        """Give a connection to read; each statement sees what was committed before it."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except GONE as error:
            raise UnavailableError(
                f"the registry does not answer ({reason(error)})", hint="is the database up, and can it be reached?"
            ) from error

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """Give a connection that is the only writer until the block ends; an error undoes all of it.

        Raises:
            LeaseLostError: This process led, and another leads now.
            UnavailableError: The database did not take it; a connection that broke at the very end may have.
        """
        try:
            with self._engine.connect() as connection, self.backend.writing(connection):
                self._check_token(connection)
                yield connection
        except GONE as error:
            raise UnavailableError(
                f"the registry did not take the change ({reason(error)})",
                hint="is the disk full, or the database locked or gone?",
            ) from error

    def _check_token(self, connection: Connection) -> None:
        """Refuse a control plane that has been replaced; in a transaction that writes, nobody replaces it meanwhile."""
        if self._token is None:
            return
        table = tables.leases
        token = connection.execute(select(table.c.token).where(table.c.name == tables.CONTROL)).scalar()
        if token != self._token:
            self._on_loss()
            raise LeaseLostError(
                f"another control plane leads: its fencing token is {token}, and this one's was {self._token}",
                hint="`rung status` asks the one that leads",
            )

    def _now(self, connection: Connection) -> float:
        """Ask for the time: seconds since 1970, by the database's clock."""
        found: float = connection.execute(text(self.backend.clock)).scalar_one()
        return found


def reason(error: BaseException) -> str:
    """Give the first line of what a database said."""
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__


def _do_nothing() -> None:
    """Leave it at the error."""
