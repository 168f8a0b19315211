"""What an online store keeps of one entity: its rows, as text, and which of them counts at an instant. Pure.

Training finds the same rows by a join in the engine (`_join`); that both agree is tested.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rung.features._view import Feature, FeatureView

__all__ = ["EPOCH", "Entry", "Found", "instant", "key_of", "moment", "pick", "readers", "spell_key"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
Row = list[Any]
"""Instant in microseconds since 1970 in UTC (None: known at any instant), then the values, as JSON has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The rows of one entity, the newest first."""

    versions: list[int]  # of the view's sources, when this was written
    is_whole: bool  # no older row was left out
    rows: list[Row]

    def to_text(self) -> str:
        """Spell it, exactly: a float comes back with the bits that it had."""
        return json.dumps([self.versions, self.is_whole, self.rows], separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str | bytes) -> Entry:
        """Read what `to_text` gave."""
        versions, is_whole, rows = json.loads(text)
        return cls(versions=versions, is_whole=is_whole, rows=rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The row that counts for an entity at an instant, or why there is none."""

    row: Row | None
    because: str = ""  # what follows on the entity's name


def pick(entry: Entry | None, at: int, *, ttl_us: int | None) -> Found:
    """Find the newest row at or before an instant, unless it is too old.

    Args:
        entry: Of the entity; None: the view has none.
        at: The instant, microseconds since 1970 in UTC.
        ttl_us: Age beyond which a row counts as missing, microseconds.
    """
    if entry is None or not entry.rows:
        return Found(row=None, because="has no row")
    for row in entry.rows:
        time: int | None = row[0]
        if time is None:
            return Found(row=row)
        if time <= at:
            if ttl_us is None or at - time <= ttl_us:
                return Found(row=row)
            return Found(row=None, because=f"has no row newer than {moment(time)}, which is older than the ttl allows")
    if entry.is_whole:
        return Found(row=None, because=f"has no row at or before {moment(at)}")
    oldest = moment(entry.rows[-1][0])
    return Found(row=None, because=f"is kept from {oldest} on, not as of {moment(at)}: raise the view's history")


def key_of(view: FeatureView, entity: Any) -> str | None:
    """Spell an entity as the key of its entry; None when a part of it is null: nothing is known of that.

    Args:
        view: Whose entity it is.
        entity: A whole number or text; of several columns a sequence of these, or a mapping by column.

    Raises:
        CallError: It is none of these.
    """
    names = view.entities
    if len(names) == 1 and not isinstance(entity, dict):
        values: Sequence[Any] = (entity,)
    else:
        values = [entity.get(name) for name in names] if isinstance(entity, dict) else entity
        if not isinstance(values, list | tuple) or len(values) != len(names):
            raise CallError(f"{entity!r} does not name an entity of {view.name}", hint=f"give {', '.join(names)}")
    if any(value is None for value in values):
        return None
    for value in values:
        if type(value) is not int and not isinstance(value, str):
            raise CallError(
                f"{value!r} cannot name an entity of {view.name}: it is a {type(value).__name__}",
                hint="give a whole number or a text",
            )
    return spell_key(values)


def spell_key(values: Sequence[Any]) -> str:
    """Spell the values that name an entity; 7 and "7" are two.

    >>> spell_key(["a", 7])
    '["a",7]'
    """
    return json.dumps(list(values), separators=(",", ":"))


def instant(at: datetime | date, *, where: str) -> int:
    """Give an instant in microseconds since 1970; a date counts from midnight in UTC.

    Raises:
        CallError: A datetime has no time zone, or it is none of both.
    """
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise CallError(f"{where}: {at} has no time zone", hint="give tzinfo=UTC")
        return (at - EPOCH) // _MICROSECOND
    if isinstance(at, date):
        return (datetime(at.year, at.month, at.day, tzinfo=UTC) - EPOCH) // _MICROSECOND
    raise CallError(f"{where}: {at!r} is no instant", hint="give a datetime or a date")


def moment(at: int) -> str:
    """Spell an instant for people.

    >>> moment(1_000_000)
    '1970-01-01T00:00:01Z'
    """
    try:
        return (EPOCH + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return f"{at} us since 1970"


def readers(features: Mapping[str, Feature]) -> list[Callable[[Any], Any] | None]:
    """Tell for each feature how its value is made of what JSON has; None: it is the value."""
    special: dict[type, Callable[[Any], Any]] = {date: date.fromisoformat, datetime: _datetime}
    return [special.get(feature.kind) for feature in features.values()]


def _datetime(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
