"""CSV and its kin, as people really write them.

A clean file is read once, by the engine. Only where that shows that lines have too few or too many values, or values
that are not of their column's type, the file is gone through line by line, so that each such line is told and none is
guessed at.
"""

from __future__ import annotations

import contextlib
import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.data.sources._staged import Staged, none_unread, stage, unread
from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from rung.data.sources._piece import Asked

__all__ = ["read_csv", "separator_of"]

_SEPARATORS: Final = (",", "\t", ";", "|")
_SAMPLE_ROWS: Final = 10_000
_CHUNK: Final = 4 << 20
_LONGEST: Final = 256 << 20  # characters of a value
_PADDED: Final = re.compile(r"[+-]?0\d")
_PARSED: Final = frozenset(
    {pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.String, pl.Date, pl.Datetime}
)
"""Types that the engine's parser makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """How a file is written."""

    names: list[str]
    separator: str
    nulls: list[str]
    is_plain: bool = True  # the engine reads its lines as they are

    def scan(self, path: Path, types: Mapping[str, pl.DataType] | None = None, **more: Any) -> pl.LazyFrame:
        """Scan a file; without types all values are text."""
        text: dict[str, pl.DataType] = dict.fromkeys(self.names, pl.String())
        return self._scan(path, schema={**text, **(types or {})}, **more)

    def types(self, path: Path, rows: int | None) -> dict[str, pl.DataType]:
        """Tell each column's type by its first rows; None: by all."""
        scanned = self._scan(
            path, with_column_names=lambda _: self.names, infer_schema_length=rows, try_parse_dates=True
        )
        return dict(scanned.collect_schema())

    def _scan(self, path: Path, **more: Any) -> pl.LazyFrame:
        return pl.scan_csv(
            path,
            separator=self.separator,
            has_header=False,
            skip_lines=1,
            null_values=self.nulls or None,
            glob=False,
            **more,
        )


def read_csv(
    path: Path,
    asked: Asked,
    *,
    types: Mapping[str, pl.DataType],
    counted: Callable[[int], None],
) -> Staged:
    """Read a file of text in UTF-8.

    Args:
        path: The file; what is set down lies beside it.
        asked: Separator and words for no value.
        types: Of columns that are known; those of others are told by their values.
        counted: Takes how many rows were read.

    Raises:
        CallError: It has no columns.
    """
    layout = _layout(path, asked)
    if layout.is_plain:
        with contextlib.suppress(pl.exceptions.PolarsError):
            rows, height = stage(
                layout.scan(path, _known(layout, path, types, _SAMPLE_ROWS)), _beside(path, 0), counted
            )
            if _is_whole(path, layout, height):
                return Staged(rows=rows, height=height, unread=none_unread())
    clean = path.with_name(f"{path.name}.clean")
    refused = unread(_cleaned(path, clean, layout))
    rows, height = _staged(clean, layout, types, counted)
    return Staged(rows=rows, height=height, unread=refused)


def _staged(
    clean: Path, layout: _Layout, types: Mapping[str, pl.DataType], counted: Callable[[int], None]
) -> tuple[pl.LazyFrame, int]:
    """Set down a file whose lines are whole: by the types that its first rows tell, by what all tell, or as text."""
    is_known = all(name in types for name in layout.names)
    for number, rows in enumerate((_SAMPLE_ROWS,) if is_known else (_SAMPLE_ROWS, None), 1):
        try:
            return stage(layout.scan(clean, _known(layout, clean, types, rows)), _beside(clean, number), counted)
        except pl.exceptions.NoDataError:
            return pl.LazyFrame(schema=dict.fromkeys(layout.names, pl.String())), 0
        except pl.exceptions.ComputeError:  # values are not of their columns' types
            continue
    return stage(layout.scan(clean), _beside(clean, 0), counted)  # whoever fits them to types tells which do not


def _beside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}.arrow")


def separator_of(line: str) -> str:
    r"""Tell what separates the values of a first line: what is most often in it, outside of quotes.

    >>> separator_of("price;\"floor, of all\";sold"), separator_of("price")
    (';', ',')
    """
    bare = re.sub(r'"[^"]*"', "", line)
    return max(_SEPARATORS, key=bare.count)


def _layout(path: Path, asked: Asked) -> _Layout:
    with _opened(path) as file:
        first = file.readline()
        line = first if first.strip() else next((line for line in file if line.strip()), "")
        separator = asked.separator or separator_of(line)
        file.seek(0)
        names = next((names for names in csv.reader(file, delimiter=separator) if names), [])
    if not names:
        raise CallError("it has no columns: its first line names them", hint="is it empty?")
    named = [name.strip().lstrip("\ufeff") or f"column_{number}" for number, name in enumerate(names, 1)]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise CallError(f"the columns {', '.join(twice)} are there twice", hint="rename them in its first line")
    return _Layout(
        names=named,
        separator=separator,
        nulls=["", *asked.nulls] if asked.nulls else [],
        is_plain=line is first and not line.endswith("\r"),
    )


def _known(layout: _Layout, path: Path, types: Mapping[str, pl.DataType], rows: int | None) -> dict[str, pl.DataType]:
    """Give each column's type: the known one, or what its first rows tell; numbers with leading zeros are text."""
    told: dict[str, pl.DataType] = {}
    if any(name not in types for name in layout.names):
        told = layout.types(path, rows)
        told |= {name: pl.String() for name, kind in told.items() if kind == pl.Int128()}  # which no table has
        numbers = [name for name, kind in told.items() if kind.is_integer() and name not in types]
        sample = layout.scan(path, n_rows=rows).select(numbers)
        padded = sample.select(pl.all().str.contains(f"^{_PADDED.pattern}").any()).collect(engine="streaming")
        told |= {name: pl.String() for name in numbers if padded[name].item()}
    fixed = {name: kind if kind.base_type() in _PARSED else pl.String() for name, kind in types.items()}
    return {name: fixed.get(name, told.get(name, pl.String())) for name in layout.names}


def _is_whole(path: Path, layout: _Layout, height: int) -> bool:
    """Say whether every line had all its values: the engine fills up lines that are too short."""
    return _separators(path, layout.separator.encode()) == (height + 1) * (len(layout.names) - 1)


def _separators(path: Path, separator: bytes) -> int:
    """Count the separators of a file that are not in quotes."""
    found, is_quoted = 0, False
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            parts = chunk.split(b'"')
            found += b'"'.join(parts[is_quoted::2]).count(separator)
            is_quoted ^= len(parts) % 2 == 0
    return found


def _cleaned(path: Path, clean: Path, layout: _Layout) -> Iterator[tuple[int, str, Any]]:
    """Write the lines that have all their values into a file, and give the others."""
    columns = len(layout.names)
    with _opened(path) as file, clean.open("w", encoding="utf-8", newline="") as kept, _long_values():
        csv.writer(kept, delimiter=layout.separator, lineterminator="\n").writerow(layout.names)
        records = _records(file, layout.separator)
        next(records)  # the names
        for number, (text, values) in enumerate(records, 1):
            why = _wrong(text, values, columns)
            if why is None:
                kept.write(f"{text}\n")
            else:
                yield number, why, text


def _records(file: Iterable[str], separator: str) -> Iterator[tuple[str, Any]]:
    """Give each record that is not blank: its text, and its values or what is wrong with it."""
    text: list[str] = []

    def remembered() -> Iterator[str]:
        for line in file:
            text.append(line)
            yield line

    reader = csv.reader(remembered(), delimiter=separator, strict=True)
    while True:
        values: list[str] | csv.Error
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            values = error
        if values != []:
            yield "".join(text).rstrip("\r\n"), values
        text.clear()


def _wrong(text: str, values: list[str] | csv.Error, columns: int) -> str | None:
    """Tell why a record is no row; None when it is one."""
    if isinstance(values, csv.Error):
        return f"its quotes are not right ({values})"
    if len(values) != columns:
        return f"it has {len(values):,} values, and there are {columns:,} columns"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "it is not in UTF-8"
    return None


def _opened(path: Path) -> Any:
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


@contextlib.contextmanager
def _long_values() -> Iterator[None]:
    before = csv.field_size_limit(_LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)
