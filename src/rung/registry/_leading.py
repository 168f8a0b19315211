"""Operations on the lease: one control plane of several takes it, renews it, and writes by it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, inspect, select

from rung.registry import _lease
from rung.registry import _tables as tables
from rung.registry._lease import Lease
from rung.registry._store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection


class Leading(Store):
    """The right to write as the control plane. Trainings and commands write without."""

    @property
    def is_shared(self) -> bool:
        """Whether control planes with other state folders and on other machines may lead."""
        return self.backend.name == "postgresql"

    def lease(self) -> Lease | None:
        """Give the lease as it is; None when nobody ever led."""
        with self._read() as connection:
            return _read(connection)

    def is_led(self) -> bool:
        """Tell whether somebody leads, by the database's clock."""
        with self._read() as connection:
            if not inspect(connection).has_table(tables.leases.name):
                return False  # an earlier schema
            return _lease.is_held(_read(connection), self._now(connection))

    def take_lead(
        self,
        holder: str,
        place: str,
        *,
        ttl_s: float,
        dead: int | None = None,
        stands_by: bool = False,
        above: int = 0,
        on_loss: Callable[[], None] | None = None,
    ) -> Lease | None:
        """Lead, unless another does; from then on every write of this object is refused once another leads.

        Args:
            holder: This process.
            place: Where it keeps its state.
            ttl_s: How long the lease holds when it is not renewed, seconds.
            dead: The token of a holder that is known to have died.
            stands_by: Do not lead after a holder that gave the lease back.
            above: A token that was seen elsewhere; the new one is higher.
            on_loss: Is called by whatever thread finds that another leads, before the error is raised.
        """
        wanted = Lease(token=above + 1, holder=holder, place=place, expires=0.0, ttl_s=ttl_s)
        with self._write() as connection:
            taken = _lease.take(_read(connection), wanted, self._now(connection), dead=dead, stands_by=stands_by)
            if taken is not None:
                _keep(connection, taken)
        if taken is not None:
            self._token, self._on_loss = taken.token, on_loss or self._on_loss
        return taken

    def renew_lead(self) -> None:
        """Lead for the whole time of the lease from now on.

        Raises:
            LeaseLostError: Another leads.
        """
        with self._write() as connection:
            held = _read(connection)
            if held is not None:
                _keep(connection, _lease.renew(held, self._now(connection)))

    def release_lead(self) -> None:
        """Lead no more; who waits for the lead need not go on.

        Raises:
            LeaseLostError: Another leads.
        """
        with self._write() as connection:
            held = _read(connection)
            if held is not None:
                _keep(connection, _lease.release(held))

    def check_lead(self) -> None:
        """See that no other leads, right before something is done outside the database.

        Raises:
            LeaseLostError: Another leads.
        """
        if self._token is not None:
            with self._read() as connection:
                self._check_token(connection)


def _read(connection: Connection) -> Lease | None:
    table = tables.leases
    columns = [column for column in table.columns if column.name != "name"]
    row = connection.execute(select(*columns).where(table.c.name == tables.CONTROL)).one_or_none()
    return None if row is None else Lease(**row._asdict())


def _keep(connection: Connection, lease: Lease) -> None:
    table = tables.leases
    connection.execute(delete(table).where(table.c.name == tables.CONTROL))
    connection.execute(insert(table).values(name=tables.CONTROL, **asdict(lease)))
