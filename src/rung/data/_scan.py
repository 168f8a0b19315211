"""A version -> its rows. Needs polars alone: it is what runs where a revision is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from rung.data._types import read_type
from rung.objects import scan_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rung.data._shelf import Shelf
    from rung.data._version import File, Version

__all__ = ["columns_of", "scan"]


def scan(
    shelf: Shelf, version: Version, *, files: Iterable[File] | None = None, paths_as: str | None = None
) -> pl.LazyFrame:
    """Give the rows of a version, or of some of its files, lazily."""
    columns = columns_of(version)
    chosen = version.files if files is None else files
    paths = [f"{shelf.uri}/{file.path}" for file in chosen]
    if not paths:
        return pl.LazyFrame(schema=columns)
    return pl.scan_parquet(
        paths,
        schema=columns,
        missing_columns="insert",
        extra_columns="ignore",
        include_file_paths=paths_as,
        hive_partitioning=False,
        glob=False,
        storage_options=scan_options() if shelf.is_remote else None,
    )


def columns_of(version: Version) -> dict[str, pl.DataType]:
    """Give the columns of a version with their types."""
    return {name: read_type(text) for name, text in version.columns.items()}
