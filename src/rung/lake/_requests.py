"""Single requests as they were: one traced by its id, or some picked to be replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.errors import CallError
from rung.lake import _lines

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ANSWERED", "MOST", "PRODUCTION", "check", "find", "pick", "read"]

MOST: Final = 10_000
"""Requests that are read at once: with their JSON they have to fit into memory."""

PRODUCTION: Final = pl.col("kind") == "production"
ANSWERED: Final = pl.col("status").is_between(200, 299)

_RECORDED: Final = (
    "id",
    "time",
    "revision",
    "route",
    "unit",
    "instances",
    "parameters",
    "predictions",
    "status",
    "duration_ms",
)


def check(n: int) -> None:
    """Refuse to read more at once than fits into memory.

    Raises:
        CallError: `n` is not between 1 and `MOST`.
    """
    if not 1 <= n <= MOST:
        raise CallError(f"{n} were asked for, but 1 to {MOST:,} can be read at once")


def find(predictions: pl.LazyFrame, prediction_id: str) -> dict[str, Any] | None:
    """Return the row of a prediction.

    What was mirrored or replayed has the id of the request that it copies: production comes first, then what was
    answered, then the earliest.
    """
    same = predictions.filter(pl.col("id_key") == _lines.key(prediction_id), pl.col("id") == prediction_id)
    rows = same.collect(engine="streaming").sort(PRODUCTION, ANSWERED, "time", descending=[True, True, False])
    return next(rows.head(1).iter_rows(named=True), None)


def pick(rows: pl.LazyFrame, n: int, *, sample: bool) -> list[dict[str, Any]]:
    """Return the last `n` of the rows, or a sample of `n` of all, newest first.

    The sample takes the lowest keys of the ids. Keys are hashes: every request is as likely as every other, and the
    same rows give the same sample.

    Raises:
        CallError: `n` is not between 1 and `MOST`.
    """
    check(n)
    narrow = rows.select("id_key", "time")
    chosen = narrow.bottom_k(n, by=["id_key", "time"]) if sample else narrow.top_k(n, by=["time", "id_key"])
    keys = chosen.collect(engine="streaming")
    if keys.is_empty():
        return []
    found = read(rows.filter(pl.col("time") >= keys["time"].min()), keys["id_key"], _RECORDED)
    return found.sort("time", "id", descending=True).head(n).to_dicts()


def read(rows: pl.LazyFrame, keys: pl.Series, columns: Sequence[str]) -> pl.DataFrame:
    """Return some columns of the rows with these keys of ids, of each id the last row; `time` must be among them."""
    chosen = rows.filter(pl.col("id_key").is_in(keys.implode())).select(*dict.fromkeys(("id_key", *columns)))
    last = chosen.collect(engine="streaming").sort("time", maintain_order=True)
    return last.unique("id_key", keep="last", maintain_order=True).select(columns)
