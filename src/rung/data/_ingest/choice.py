"""Which of the rows that may go in are new. `_ingest` calls it; all of it streams."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.data._ingest.fit import fitted
from rung.data._ingest.plan import Mode, Settled
from rung.data._write import Append, Replace, Upsert
from rung.errors import CallError, ConflictError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rung.data._version import Version
    from rung.data._write import How

__all__ = ["Choice", "choose"]

_HASHES: Final = ("__rung_hash_0", "__rung_hash_1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is to be written."""

    rows: pl.LazyFrame
    how: How
    watermark: str | None  # newest value of the time column after it, RFC 3339
    late: int = 0  # rows that are older than the newest that was there, and were not there
    repeated: int = 0  # rows whose key comes again later: the last one counts


def choose(
    rows: pl.LazyFrame,
    settled: Settled,
    before: tuple[Version, pl.LazyFrame] | None,
    *,
    same: Sequence[str],
    late: bool,
    folder: Path,
) -> Choice:
    """Tell which rows are to be written, and how.

    Args:
        rows: All that may go in, with the dataset's columns.
        settled: How the ingest goes on.
        before: The newest version, and its rows; None: there is none.
        same: Columns that tell whether a row is there already; without any, all do.
        late: Rows that are older than the newest, and not there, go in too.
        folder: For what is set down on the way.

    Raises:
        CallError: The time column has no times in it.
        ConflictError: Rows that are there have the same key.
    """
    schema = rows.collect_schema()
    if settled.time is not None and not isinstance(schema[settled.time], pl.Date | pl.Datetime):
        raise CallError(
            f"the column {settled.time!r} is of type {schema[settled.time]}: it tells no times",
            hint="write them as 2026-11-21 or 2026-11-21T12:00:00Z, or choose another column with --time",
        )
    repeated = _repeated(rows, settled.key)
    if repeated:
        rows = rows.unique(settled.key, keep="last", maintain_order=True)
    newest = _newest(rows, settled.time)
    if before is None or settled.mode is Mode.REPLACE:
        how: How = Replace() if before is not None else Append()
        return Choice(rows=rows, how=how, watermark=newest, repeated=repeated)
    version, there = before
    there = fitted(there, schema)
    watermark = max(filter(None, (newest, version.watermark)), default=None)
    if settled.mode is Mode.UPSERT:
        if _repeated(there, settled.key):
            raise ConflictError(
                f"{version.ref} has several rows of the same {','.join(settled.key)}",
                hint="choose another --key, or --mode replace",
            )
        how = Upsert(key=settled.key)
        return Choice(rows=_unknown(rows, there, same), how=how, watermark=watermark, repeated=repeated)
    if settled.mode is Mode.NEWER and settled.time is not None:
        mark = _mark(version, there, settled.time)
        if mark is not None:
            rows, older = _newer(rows, there, (settled.time, mark), late=late, target=folder / "older.arrow")
            return Choice(rows=rows, how=Append(), watermark=watermark, late=older)
    return Choice(rows=rows, how=Append(), watermark=watermark)


def _newer(
    rows: pl.LazyFrame, there: pl.LazyFrame, since: tuple[str, Any], *, late: bool, target: Path
) -> tuple[pl.LazyFrame, int]:
    """Give the rows that are newer than the newest that is there, or as new and not there; and how many are late."""
    time, mark = pl.col(since[0]), pl.lit(since[1])
    behind = rows.filter(time <= mark)
    first = behind.select(time.min()).collect(engine="streaming").item()
    if first is None:
        return rows, 0
    _unknown(behind, there.filter(time >= pl.lit(first))).sink_ipc(target, engine="streaming")
    fresh = pl.scan_ipc(target)
    older = fresh.select((time < mark).sum()).collect(engine="streaming").item()
    taken = fresh if late else fresh.filter(time == mark)
    return pl.concat([taken, rows.filter(time > mark)]), int(older)


def _unknown(rows: pl.LazyFrame, there: pl.LazyFrame, same: Sequence[str] = ()) -> pl.LazyFrame:
    """Give the rows that are not there, value for value: 128 bits of hash of each are compared."""
    known = _hashed(there, same).select(_HASHES)
    return _hashed(rows, same).join(known, on=_HASHES, how="anti", maintain_order="left").drop(_HASHES)


def _hashed(rows: pl.LazyFrame, same: Sequence[str]) -> pl.LazyFrame:
    whole = pl.struct([pl.col(name) for name in same] or pl.all())
    return rows.with_columns(whole.hash(seed=number).alias(name) for number, name in enumerate(_HASHES))


def _repeated(rows: pl.LazyFrame, key: Sequence[str]) -> int:
    """Count the rows whose key comes again."""
    if not key:
        return 0
    keys = pl.col(key[0]) if len(key) == 1 else pl.struct(key)
    return int(rows.select(pl.len() - keys.n_unique()).collect(engine="streaming").item())


def _newest(rows: pl.LazyFrame, time: str | None) -> str | None:
    if time is None:
        return None
    found = rows.select(pl.col(time).max()).collect(engine="streaming").item()
    return None if found is None else _spelled(found)


def _spelled(instant: date) -> str:
    """Spell an instant; one without a zone, and a day, are of UTC."""
    if not isinstance(instant, datetime):
        instant = datetime(instant.year, instant.month, instant.day, tzinfo=UTC)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _mark(version: Version, there: pl.LazyFrame, time: str) -> Any:
    """Give the newest value that is there, as the column has it."""
    told = version.watermark or _newest(there, time)
    if told is None:
        return None
    instant = datetime.fromisoformat(told)
    kind = there.collect_schema()[time]
    if kind == pl.Date():
        return instant.date()
    return instant if isinstance(kind, pl.Datetime) and kind.time_zone else instant.replace(tzinfo=None)
