"""What a batch writes: parts as they come, kept where the same batch finds them again; one whole file at the end."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.batch._order import PARQUET
from rung.data.sources import spelled
from rung.errors import CallError, ConflictError
from rung.objects import open_objects
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.batch._rows import Part

__all__ = ["Counted", "Shelf", "Table", "check_free", "publish"]

_S3: Final = "s3://"
_OWN: Final = ("row", "prediction_id", "revision")
_WHOLE: Final = "prediction"
_INPUT: Final = "input_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many rows of a part were predicted, and how many were refused."""

    predicted: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The columns of the output."""

    kept: Mapping[str, str]  # columns of the input, by their names in the output
    types: Mapping[str, pl.DataType | None]  # of the prediction; None: JSON
    revision: str
    batch: str  # begins the id of each prediction
    is_whole: bool  # a prediction is one column

    @classmethod
    def of(cls, kept: Sequence[str], types: Mapping[str, pl.DataType | None], *, revision: str, batch: str) -> Table:
        """Name the columns: what is kept gives way to the prediction's own names."""
        columns = types or {_WHOLE: None}
        names = {(f"{_INPUT}{name}" if name in {*columns, *_OWN} else name): name for name in kept}
        return cls(kept=names, types=columns, revision=revision, batch=batch, is_whole=not types)

    def rows(self, part: Part, answered: Sequence[tuple[Any, str | None]]) -> list[dict[str, Any]]:
        """Give the rows with a prediction, as they are written."""
        beside: list[Any] = part.rows.select(self.kept.values()).rows() if self.kept else [()] * part.rows.height
        return [
            {
                **dict(zip(self.kept, values, strict=True)),
                "row": number,
                **({_WHOLE: prediction} if self.is_whole else prediction),
                "prediction_id": f"{self.batch}-{number}",
                "revision": self.revision,
            }
            for number, values, (prediction, reason) in zip(part.numbers, beside, answered, strict=True)
            if reason is None
        ]

    def frame(self, part: Part, rows: list[dict[str, Any]]) -> pl.DataFrame:
        """Make these rows a frame, with the same types in every part.

        Raises:
            CallError: A prediction is not of the type that the schema says.
        """
        own = part.rows.schema
        beside = {new: own[old] for new, old in self.kept.items()}
        told: dict[str, pl.DataType] = {name: kind or pl.String() for name, kind in self.types.items()}
        schema = {**beside, "row": pl.Int64(), **told, "prediction_id": pl.String(), "revision": pl.String()}
        texts = [name for name, kind in self.types.items() if kind is None]
        spelt = [{**row, **{name: json.dumps(row.get(name)) for name in texts}} for row in rows] if texts else rows
        try:
            return pl.DataFrame(spelt, schema=schema, orient="row")
        except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
            raise CallError(
                f"predictions do not fit into the columns of a table ({str(error).splitlines()[0][:200]})",
                hint="write lines of JSON: --output NAME.ndjson",
            ) from None


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder with the finished parts of one batch."""

    folder: Path
    suffix: str

    def finished(self) -> dict[int, Counted]:
        """Name the parts that are there, with what was counted."""
        found = {int(path.stem): json.loads(path.read_bytes()) for path in self.folder.glob("*.json")}
        return {number: Counted(**told) for number, told in found.items()}

    def put(self, part: Part, answered: Sequence[tuple[Any, str | None]], table: Table) -> Counted:
        """Keep a part: its rows, those that were refused, and last that it is whole."""
        spellable = replace(part, rows=part.rows.fill_nan(None))
        target = self.folder / f"{part.number:09}{self.suffix}"
        if self.suffix == PARQUET:
            rows = table.rows(part, answered)
            table.frame(part, rows).write_parquet(target)
        else:
            rows = table.rows(spellable, answered)
            target.write_text("".join(f"{spelled(row)}\n" for row in rows), encoding="utf-8")
        bad = [(place, reason) for place, (_, reason) in enumerate(answered) if reason is not None]
        if bad:
            contents = spellable.rows[[place for place, _ in bad]].iter_rows(named=True)
            lines = (
                _error(part.numbers[place], part.source, reason, content)
                for (place, reason), content in zip(bad, contents, strict=True)
            )
            self._errors(part.number).write_text("".join(lines), encoding="utf-8")
        counted = Counted(predicted=len(rows), refused=len(bad))
        told = {"predicted": counted.predicted, "refused": counted.refused}
        write_atomically(self.folder / f"{part.number:09}.json", json.dumps(told).encode())
        return counted

    def join(self, parts: int, unread: Sequence[tuple[int, str, str, Any]]) -> tuple[Path, Path | None]:
        """Make the parts one file, and what was refused another one; None: nothing was.

        Args:
            parts: How many there are.
            unread: Rows that could not be read: number, source, reason, content.
        """
        paths = [self.folder / f"{number:09}{self.suffix}" for number in range(parts)]
        whole, errors = self.folder / f"whole{self.suffix}", self.folder / "whole.errors"
        if self.suffix == PARQUET and paths:
            pl.scan_parquet(paths, glob=False).sink_parquet(whole, compression="zstd")
        else:
            _concatenate(paths, whole)
        _concatenate([path for number in range(parts) if (path := self._errors(number)).is_file()], errors)
        with errors.open("a", encoding="utf-8") as file:
            file.writelines(_error(*one) for one in unread)
        return whole, errors if errors.stat().st_size else None

    def _errors(self, number: int) -> Path:
        return self.folder / f"{number:09}.errors"


def check_free(output: str) -> None:
    """Refuse to write over what is there.

    Raises:
        ConflictError: It is there.
        UnavailableError: The store does not answer.
    """
    if output.startswith(_S3):
        folder, _, key = output.rpartition("/")
        is_there = open_objects(folder).size(key) is not None
    else:
        is_there = Path(output).exists()
    if is_there:
        raise ConflictError(f"{output} is there already", hint="name another output, or take that one away")


def publish(source: Path, output: str) -> None:
    """Bring a whole file to where it is wanted; a reader sees all of it, or none.

    Raises:
        CallError: It cannot be written.
        UnavailableError: The store does not answer.
    """
    if output.startswith(_S3):
        folder, _, key = output.rpartition("/")
        open_objects(folder).upload(key, source)
        return
    target = Path(output).absolute()
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, partial)
        partial.replace(target)
    except OSError as error:
        raise CallError(
            f"{output} cannot be written: {error.strerror}", hint="see to it, then the same command ends what is left"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _error(row: int, source: str, reason: str, content: Any) -> str:
    return spelled({"row": row, "source": source, "reason": reason, "content": content}) + "\n"


def _concatenate(paths: Sequence[Path], target: Path) -> None:
    with target.open("wb") as whole:
        for path in paths:
            with path.open("rb") as one:
                shutil.copyfileobj(one, whole)
