"""The pieces of a source, brought here, read, and held against a dataset. `run` calls it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from rung.data._ingest.checks import Held, hold
from rung.data._ingest.fit import columns_for, widest
from rung.data._ingest.plan import Mode, Taken, check_columns
from rung.data._types import storable
from rung.data.sources import Step, bring, digest, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import BaseModel

    from rung.data._ingest.plan import Settled
    from rung.data.sources import Asked, Piece, Staged, Tell

__all__ = ["Gathered", "Local", "brought", "gather"]


@dataclass(slots=True, kw_only=True)
class Local:
    """A piece that was brought here."""

    piece: Piece
    path: Path
    digest: str
    folder: Path  # for what is set down of it
    staged: Staged | None = None
    types: dict[str, pl.DataType] = field(default_factory=dict)  # with which it was read

    @property
    def taken(self) -> Taken:
        """How it is remembered."""
        return Taken(name=self.piece.name, digest=self.digest)

    def read(self, asked: Asked, types: Mapping[str, pl.DataType], tell: Tell) -> Staged:
        """Read the rows, unless they were read with these types."""
        if self.staged is None or self.types != types:
            folder = self.folder / f"{len(list(self.folder.iterdir()))}"
            folder.mkdir()
            self.staged = read(self.piece, self.path, asked, folder=folder, types=types, tell=tell)
            self.types = dict(types)
        return self.staged


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Rows of all pieces, with a dataset's columns."""

    columns: dict[str, pl.DataType]
    held: list[Held]
    refused: pl.DataFrame  # source, row, reason, content
    new_columns: list[str]
    missing_columns: list[str]

    @property
    def read(self) -> int:
        """How many rows there were."""
        return sum(one.read for one in self.held)

    @property
    def height(self) -> int:
        """How many may go in."""
        return sum(one.height for one in self.held)

    @property
    def rows(self) -> pl.LazyFrame:
        """Those that may go in."""
        return pl.concat([pl.LazyFrame(schema=self.columns), *(one.rows for one in self.held)])


def brought(piece: Piece, folder: Path, tell: Tell) -> Local:
    """Bring a piece here, and hash it."""
    folder.mkdir()
    path = bring(piece, folder / "brought", tell)
    rows = folder / "rows"
    rows.mkdir()
    return Local(piece=piece, path=path, digest=digest(path, tell), folder=rows)


def gather(
    pieces: Sequence[Local],
    before: Mapping[str, pl.DataType] | None,
    settled: Settled,
    *,
    dataset: str,
    evolve: bool,
    asked: Asked,
    model: type[BaseModel] | None,
    tell: Tell,
) -> Gathered:
    """Read pieces and hold their rows against a dataset.

    Args:
        pieces: Those that are to be read.
        before: Columns that the dataset has; None: it has none yet, or its rows are to be replaced.
        settled: Key, time and mode.
        dataset: Its name.
        evolve: Columns may come, and be missing.
        asked: How the source is to be read.
        model: The contract.
        tell: Takes how far it is.

    Raises:
        ConflictError: A piece has other columns than the dataset.
        SchemaError: A column has a type that cannot become the dataset's.
        ContractError: The columns as a whole are not what the contract says.
    """
    staged = [one.read(asked, before or {}, tell) for one in pieces]
    schemas = {one.piece.name: dict(rows.rows.collect_schema()) for one, rows in zip(pieces, staged, strict=True)}
    whole = widest(list(schemas.values()))
    wanted = list(before or next(iter(schemas.values())))
    check_columns(schemas, wanted, dataset, evolve=evolve and settled.mode is not Mode.UPSERT)
    columns = storable(whole) if before is None else columns_for(before, whole)
    staged = [_as_text(one, columns, asked, tell) for one in pieces]
    held = [
        hold(
            rows,
            columns,
            required=[*settled.key, *([settled.time] if settled.time else [])],
            model=model,
            tell=partial(_tell_checked, tell, one.piece.name),
        )
        for one, rows in zip(pieces, staged, strict=True)
    ]
    refused = [
        one.refused.select(pl.lit(local.piece.name).alias("source"), pl.all())
        for local, one in zip(pieces, held, strict=True)
    ]
    return Gathered(
        columns=columns,
        held=held,
        refused=pl.concat(refused),
        new_columns=[name for name in columns if name not in (before or columns)],
        missing_columns=[name for name in columns if any(name not in schema for schema in schemas.values())],
    )


def _as_text(one: Local, columns: Mapping[str, pl.DataType], asked: Asked, tell: Tell) -> Staged:
    """Read a CSV again whose numbers go into a column of text: 1.50 must not become 1.5 on the way."""
    staged = one.read(asked, one.types, tell)
    own = staged.rows.collect_schema()
    text = {name: pl.String() for name, kind in own.items() if kind != pl.String() and columns[name] == pl.String()}
    if one.piece.format != "csv" or not text:
        return staged
    return one.read(asked, {**one.types, **text}, tell)


def _tell_checked(tell: Tell, name: str, rows: int) -> None:
    tell(Step(what=f"checking {name}", done=rows))
