"""Operations on consumers' keys: of a key the registry keeps the SHA-256, and nobody can tell it again."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, or_, select, update

from rung.errors import NotFoundError
from rung.registry import _rows as rows
from rung.registry import _steps as steps
from rung.registry import _tables as tables
from rung.registry._store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Row

EVERY_SERVICE = "*"
_PREFIX = "rungkey_"
_ID_BYTES, _SECRET_BYTES = 4, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerKey:
    """A key of a consumer as it is kept: all but the key."""

    id: str
    name: str
    """Of the consumer; one may have several keys, so that they can be changed without a gap."""
    service: str | None
    """The only one that it opens; None: all."""
    digest: str = field(repr=False)
    """SHA-256, hexadecimal. The key has 256 random bits: nobody finds it by trying, however fast the hash."""
    created: datetime
    actor: str
    """Who made it."""
    revoked: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data, without the digest."""
        return {
            "id": self.id,
            "name": self.name,
            "service": self.service,
            "state": "valid" if self.revoked is None else "revoked",
            "created": self.created.isoformat(),
            "revoked": self.revoked.isoformat() if self.revoked else None,
            "actor": self.actor,
        }


class Consumers(Store):
    """Reads and writes of consumers' keys; each is one transaction."""

    def create_key(self, name: str, service: str | None, *, actor: str, because: str) -> tuple[ConsumerKey, str]:
        """Make a key for a consumer; give what is kept of it, and the key itself: this once.

        Args:
            name: Of the consumer.
            service: The only one that it opens; None: all.
            actor: Who makes it.
            because: One sentence.
        """
        table, key = tables.consumers, _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        row = {
            "id": secrets.token_hex(_ID_BYTES),
            "name": name,
            "service": service,
            "digest": hashlib.sha256(key.encode()).hexdigest(),
            "created": rows.now(),
            "actor": actor,
        }
        with self._write() as connection:
            connection.execute(insert(table).values(**row))
            data = {"key": row["id"], "name": name, "service": service}
            steps.append(connection, "consumer", service or EVERY_SERVICE, because=because, actor=actor, data=data)
            return _key(connection.execute(select(table).where(table.c.id == row["id"])).one()), key

    def consumer_keys(self, *, valid_only: bool = False) -> list[ConsumerKey]:
        """Give the keys that were made, in the order of their making."""
        table = tables.consumers
        query = select(table).order_by(table.c.created, table.c.id)
        if valid_only:
            query = query.where(table.c.revoked.is_(None))
        with self._read() as connection:
            return [_key(row) for row in connection.execute(query)]

    def revoke_keys(self, wanted: str, *, actor: str, because: str) -> list[ConsumerKey]:
        """Make keys open nothing any more: the one of that id, or all of the consumer of that name.

        Raises:
            NotFoundError: No valid key has that id or name.
        """
        table = tables.consumers
        named = or_(table.c.id == wanted, table.c.name == wanted)
        with self._write() as connection:
            found = connection.execute(select(table).where(named, table.c.revoked.is_(None))).all()
            if not found:
                raise NotFoundError(f"no valid key has the id or name {wanted!r}", hint="`rung consumer list` tells")
            for row in found:
                self._revoke(connection, row, actor=actor, because=because)
            ids = [row.id for row in found]
            return [_key(row) for row in connection.execute(select(table).where(table.c.id.in_(ids)))]

    def _revoke(self, connection: Any, row: Row[Any], *, actor: str, because: str) -> None:
        table = tables.consumers
        connection.execute(update(table).where(table.c.id == row.id).values(revoked=rows.now()))
        data: Mapping[str, Any] = {"key": row.id, "name": row.name}
        subject = row.service or EVERY_SERVICE
        steps.append(connection, "consumer_revoked", subject, because=because, actor=actor, data=data)


def _key(row: Row[Any]) -> ConsumerKey:
    return ConsumerKey(
        id=row.id,
        name=row.name,
        service=row.service,
        digest=row.digest,
        created=datetime.fromisoformat(row.created),
        actor=row.actor,
        revoked=datetime.fromisoformat(row.revoked) if row.revoked else None,
    )
