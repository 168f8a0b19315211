"""Rows that were refused: kept beside a dataset, with the reason, until somebody looks. `Catalogue` calls it.

Each file is named by what is in it, so the same rows that are refused again, as by a command that was killed and
repeated, are there once.
"""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import polars as pl

from rung.objects import scan_options

if TYPE_CHECKING:
    from rung.data._shelf import Shelf

__all__ = ["QUARANTINE", "add", "scan"]

QUARANTINE: Final = pl.Schema(
    {
        "source": pl.String(),  # where the row came from, without secrets
        "row": pl.Int64(),  # its number there, from 1 on
        "reason": pl.String(),
        "content": pl.String(),  # the row itself, as JSON
        "time": pl.Datetime("us", "UTC"),  # when it was refused
    }
)
_FOLDER: Final = "quarantine"


def add(shelf: Shelf, rows: pl.DataFrame) -> None:
    """Keep rows that were refused: source, row, reason and content."""
    told = rows.select([name for name in QUARANTINE if name != "time"])
    digest = hashlib.sha256(told.write_csv().encode()).hexdigest()
    data = io.BytesIO()
    told.with_columns(time=pl.lit(datetime.now(UTC), dtype=QUARANTINE["time"])).write_parquet(data)
    shelf.objects.create(f"{_FOLDER}/{digest}.parquet", data.getvalue())


def scan(shelf: Shelf) -> pl.LazyFrame:
    """Give all rows that were refused, in no order."""
    paths = sorted(f"{shelf.objects.url}/{entry.key}" for entry in shelf.objects.entries(_FOLDER))
    if not paths:
        return pl.LazyFrame(schema=QUARANTINE)
    return pl.scan_parquet(paths, glob=False, storage_options=scan_options() if shelf.is_remote else None)
