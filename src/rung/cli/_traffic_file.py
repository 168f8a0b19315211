"""Traffic from a file, for `rung simulate-scaling`: requests in each second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rung.errors import CallError

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

_HINT = "give a CSV or Parquet file with the columns second and requests, or with a column time, one row a request"


def read(path: Path, *, known: list[str]) -> list[tuple[float, float]]:
    """Read (second, requests in it) from CSV or Parquet.

    Raises:
        CallError: It is no such file; the message lists the traffics that are known by name.
    """
    import polars as pl

    if not path.exists():
        raise CallError(f"{path} is neither a file nor one of {', '.join(known)}", hint=_HINT)
    try:
        rows = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, try_parse_dates=True)
        found = _counted(rows, path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CallError(f"{path} cannot be read: {error}", hint=_HINT) from error
    return [(float(second), float(requests)) for second, requests in found.iter_rows()]


def _counted(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    import polars as pl

    if {"second", "requests"} <= set(rows.columns):
        found = rows.select(pl.col("second").cast(pl.Float64), pl.col("requests").cast(pl.Float64))
    elif "time" in rows.columns:
        time = pl.col("time")
        seconds = time.dt.epoch("s") if rows.schema["time"].is_temporal() else time.cast(pl.Float64)
        found = rows.select(seconds.alias("second")).group_by("second").agg(requests=pl.len())
    else:
        raise CallError(f"{path} has the columns {', '.join(rows.columns)}", hint=_HINT)
    if found.null_count().sum_horizontal().item():
        raise CallError(f"{path} has rows without a second or a number of requests", hint=_HINT)
    return found
