"""The rows of a batch: read where they lie, numbered through all inputs, cut into parts."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from rung.data import open_catalogue, parse_reference
from rung.data.sources import UNREAD, bring, digest, find, read
from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rung.batch._order import Order
    from rung.data.sources import Asked, Piece, Tell
    from rung.workspace import Workspace

__all__ = ["DATASET", "PART_ROWS", "Part", "Source", "open_sources", "parts"]

DATASET: Final = "dataset:"
PART_ROWS: Final = 5_000
"""Rows that are handed to a worker at once, and that are predicted again when it dies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file, object or dataset, set down on this machine."""

    name: str
    digest: str  # of its content
    rows: pl.LazyFrame
    height: int
    unread: pl.DataFrame  # rows that cannot be read as such: number, reason, content

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return self.rows.collect_schema().names()

    @property
    def all(self) -> int:
        """Rows, those that cannot be read too."""
        return self.height + self.unread.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows of one source that belong together."""

    number: int  # counted through all sources, from 0 on
    source: str
    rows: pl.DataFrame
    numbers: list[int]  # of these rows, counted through all sources, from 1 on


def open_sources(
    order: Order, workspace: Workspace, *, folder: Path, types: Mapping[str, pl.DataType], tell: Tell
) -> list[Source]:
    """Read the inputs of a batch; what lies elsewhere is brought, text is set down typed.

    Args:
        order: The batch.
        workspace: Whose datasets are meant.
        folder: For what is set down.
        types: Of columns of text.
        tell: Takes how far it is.

    Raises:
        NotFoundError: There is no such input.
        CallError: It cannot be read.
        UnavailableError: A place that is asked does not answer.
    """
    asked = order.reading
    found: list[Source] = []
    for text in order.inputs:
        if text.startswith(DATASET):
            found.append(_dataset(text.removeprefix(DATASET), workspace))
            continue
        for piece in find(text, asked).pieces:
            place = folder / f"{len(found):06}"
            place.mkdir(parents=True)
            found.append(_file(piece, asked, folder=place, types=types, tell=tell))
    if not any(source.all for source in found):
        raise CallError("there are no rows to predict", hint="are the inputs empty?")
    return found


def parts(sources: list[Source]) -> Iterator[Part]:
    """Cut sources into parts of `PART_ROWS`, the last of each into what is left; the same inputs give the same ones."""
    number, before = 0, 0
    for source in sources:
        start = 0
        for rows in _even(source.rows):
            numbers = _numbers(source, start, rows.height)
            yield Part(number=number, source=source.name, rows=rows, numbers=[before + one for one in numbers])
            number, start = number + 1, start + rows.height
        before += source.all


def _numbers(source: Source, start: int, count: int) -> list[int]:
    """Tell which rows of a source rows are, from 1 on: those that could not be read count too."""
    missing = sorted(source.unread["row"].to_list())
    before = [row - index for index, row in enumerate(missing)]
    return [place + bisect_right(before, place) for place in range(start + 1, start + count + 1)]


def _even(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Stream rows in frames of `PART_ROWS`, whatever batches the engine makes."""
    held: list[pl.DataFrame] = []
    count = 0
    for batch in rows.collect_batches(chunk_size=PART_ROWS, maintain_order=True):
        held.append(batch)
        count += batch.height
        if count < PART_ROWS:
            continue
        whole = pl.concat(held)
        start = 0
        while count - start >= PART_ROWS:
            yield whole.slice(start, PART_ROWS)
            start += PART_ROWS
        held, count = [whole.slice(start)], count - start
    if count:
        yield pl.concat(held)


def _file(piece: Piece, asked: Asked, *, folder: Path, types: Mapping[str, pl.DataType], tell: Tell) -> Source:
    path = bring(piece, folder / "brought", tell)
    rows = folder / "rows"
    rows.mkdir()
    staged = read(piece, path, asked, folder=rows, types=types, tell=tell)
    return Source(
        name=piece.name, digest=digest(path, tell), rows=staged.rows, height=staged.height, unread=staged.unread
    )


def _dataset(reference: str, workspace: Workspace) -> Source:
    name, number = parse_reference(reference)
    catalogue = open_catalogue(workspace)
    version = catalogue.version(name, number)
    rows = catalogue.scan(version)
    height = rows.select(pl.len()).collect(engine="streaming").item()
    return Source(
        name=f"{DATASET}{version.ref}",
        digest=version.digest,
        rows=rows,
        height=height,
        unread=pl.DataFrame(schema=UNREAD),
    )
