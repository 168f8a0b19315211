"""Files that have types of their own: Parquet, Arrow, workbooks, and rows that a database gave or files became."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from rung.data.sources._staged import Staged, none_unread, stage
from rung.errors import CallError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import fastexcel

__all__ = ["read_arrow", "read_excel", "read_parquet", "read_rows"]


def read_parquet(path: Path) -> Staged:
    """Read a Parquet file, where it lies."""
    rows = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    return _of(rows)


def read_arrow(path: Path) -> Staged:
    """Read an Arrow file, where it lies."""
    return _of(pl.scan_ipc(path, glob=False, hive_partitioning=False))


def read_excel(path: Path, sheet: str | None, *, counted: Callable[[int], None]) -> Staged:
    """Read one sheet of a workbook.

    Raises:
        CallError: It has several sheets with something in them, and none was chosen; or no sheet of that name.
        WorkspaceError: The extra `rung[excel]` is not installed.
    """
    try:
        import fastexcel  # noqa: PLC0415  optional: the extra excel
    except ImportError:
        raise WorkspaceError("workbooks cannot be read here", hint="pip install 'rung[excel]'") from None
    try:
        book = fastexcel.read_excel(path)
        frame = book.load_sheet(_sheet(book, sheet), schema_sample_rows=None).to_polars()
    except fastexcel.FastExcelError as error:
        raise CallError(f"it is no workbook that can be read ({error})", hint="open it and save it as .xlsx") from None
    rows, height = stage(_with_whole_numbers(frame).lazy(), path.with_name(f"{path.name}.arrow"), counted)
    return Staged(rows=rows, height=height, unread=none_unread())


def read_rows(folder: Path) -> Staged:
    """Read batches, as a query gave them: each column gets the type that holds all of its values."""
    parts = [pl.scan_ipc(path) for path in sorted(folder.glob("*.arrow"))]
    return _of(pl.concat(parts, how="vertical_relaxed"))


def _of(rows: pl.LazyFrame) -> Staged:
    height = rows.select(pl.len()).collect(engine="streaming").item()
    return Staged(rows=rows, height=height, unread=none_unread())


def _with_whole_numbers(frame: pl.DataFrame) -> pl.DataFrame:
    """Make numbers whole where all of a column are: a workbook knows no other kind than floats."""
    floats = frame.select(pl.selectors.float())
    whole = [
        column.name for column in floats if column.len() > column.null_count() and (column == column.round()).all()
    ]
    return frame.with_columns(pl.col(whole).cast(pl.Int64)) if whole else frame


def _sheet(book: fastexcel.ExcelReader, chosen: str | None) -> str:
    names = book.sheet_names
    if chosen is not None and chosen not in names:
        raise CallError(f"there is no sheet {chosen!r}", hint=f"the sheets are {', '.join(names)}")
    if chosen is not None:
        return chosen
    filled = [name for name in names if book.load_sheet(name, header_row=None, n_rows=1).height]
    if len(filled) != 1:
        told = f"it has {len(filled)} sheets with something in them: {', '.join(filled)}" if filled else "it is empty"
        raise CallError(told, hint="choose one with --sheet")
    return filled[0]
