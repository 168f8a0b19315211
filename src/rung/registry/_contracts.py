"""Operations on the contracts of consumers: events of the log, never changed; the last one of a consumer holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from rung import schema  # what it has is imported when it is used: commands that list runs need none of it
from rung.errors import NotFoundError
from rung.registry import _rows as rows
from rung.registry import _steps as steps
from rung.registry import _tables as tables
from rung.registry._store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

    from rung.registry._rows import Event
    from rung.schema import ConsumerContract, ConsumerRequest

MADE, REMOVED = "contract", "contract_removed"


class Contracts(Store):
    """Reads and writes of contracts; each is one transaction."""

    def add_contract(
        self,
        major: str,
        consumer: str,
        *,
        requests: Sequence[ConsumerRequest],
        reads: Mapping[str, Sequence[str]],
        because: str,
        actor: str,
    ) -> ConsumerContract:
        """Keep the next version of a consumer's contract with a major.

        Args:
            major: As `housing.v1`.
            consumer: Its name.
            requests: As it sends them.
            reads: JSON pointers into a prediction, to the types that may be there.
            because: One sentence.
            actor: Who registers it.
        """
        with self._write() as connection:
            versions = [event.data["version"] for event in _events(connection, major, consumer) if event.kind == MADE]
            contract = schema.ConsumerContract(
                consumer=consumer,
                version=max(versions, default=0) + 1,
                requests=tuple(requests),
                reads={place: tuple(types) for place, types in reads.items()},
            )
            data = contract.model_dump(mode="json")
            steps.append(connection, MADE, major, because=because, actor=actor, data=data)
        return contract

    def remove_contract(self, major: str, consumer: str, *, because: str, actor: str) -> None:
        """Let a contract hold no more; its versions stay on record.

        Raises:
            NotFoundError: The consumer has none with that major.
        """
        with self._write() as connection:
            known = _events(connection, major, consumer)
            if not known or known[-1].kind == REMOVED:
                raise NotFoundError(
                    f"{consumer!r} has no contract with {major}", hint="`rung contract list` names those that there are"
                )
            steps.append(connection, REMOVED, major, because=because, actor=actor, data={"consumer": consumer})

    def contract_events(self, service: str) -> list[Event]:
        """Give all that was said of contracts with a service, in order."""
        with self._read() as connection:
            return _events(connection, service)

    def contracts(self, service: str, major: int) -> list[ConsumerContract]:
        """Give the contracts that hold with a major, by consumer."""
        last = {event.data["consumer"]: event for event in self.contract_events(f"{service}.v{major}")}
        return [schema.ConsumerContract.model_validate(one.data) for _, one in sorted(last.items()) if one.kind == MADE]


def _events(connection: Connection, subject: str, consumer: str | None = None) -> list[Event]:
    """Read the events of a service or a major, of one consumer or of all."""
    table = tables.events
    service, _, major = subject.partition(".v")
    query = select(table).where(table.c.service == service, table.c.kind.in_([MADE, REMOVED])).order_by(table.c.id)
    if major:
        query = query.where(table.c.major == int(major))
    found = [rows.event_of(row) for row in connection.execute(query)]
    return [event for event in found if consumer in {None, event.data["consumer"]}]
