"""Which rows of a piece go into a dataset, and which are refused, each with its reasons. `_ingest` calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from rung.data._ingest.fit import POSITION, fitted, misfits, numbers
from rung.data._types import light
from rung.data.sources import UNREAD, Staged, spelled
from rung.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pydantic import BaseModel

__all__ = ["Held", "hold"]

_PART_ROWS: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Rows of a piece that were held against all that a dataset asks of them."""

    rows: pl.LazyFrame  # those that may go in, with the dataset's columns
    height: int
    refused: pl.DataFrame  # as UNREAD

    @property
    def read(self) -> int:
        """How many rows there were."""
        return self.height + self.refused.height


def hold(
    staged: Staged,
    columns: Mapping[str, pl.DataType],
    *,
    required: Sequence[str],
    model: type[BaseModel] | None,
    tell: Callable[[int], None],
) -> Held:
    """Hold rows against the types of columns, against nulls where there may be none, and against a contract.

    Args:
        staged: The rows, and what could not be read of them.
        columns: Of the dataset.
        required: Columns without nulls: key and time.
        model: The contract.
        tell: Takes how many rows were held against the contract.

    Raises:
        SchemaError: A column has a type that cannot become the dataset's.
        ContractError: The columns as a whole are not what the contract says.
    """
    numbered = staged.rows.with_row_index(POSITION)
    refused = [_refused(staged, wrong) for wrong in _unfit(numbered, columns, required)]
    positions = [wrong["position"] for wrong in refused]
    rows = _without(fitted(numbered, columns), positions)
    if model is not None:
        broken = [_refused(staged, part) for part in _broken(rows, model, tell)]
        refused += broken
        rows = _without(rows, [part["position"] for part in broken])
    bad = pl.concat([staged.unread, *(wrong.select(UNREAD.names()) for wrong in refused)]).sort("row")
    height = staged.height - sum(wrong.height for wrong in refused)
    return Held(rows=rows.drop(POSITION), height=height, refused=bad)


def _unfit(
    numbered: pl.LazyFrame, columns: Mapping[str, pl.DataType], required: Sequence[str]
) -> Iterator[pl.DataFrame]:
    """Give rows with values that do not fit, then those that fit but for a null where there may be none."""
    wrong = misfits(numbered, columns)
    found = None
    if wrong is not None:
        found = wrong.collect(engine="streaming")
        yield found
    present = [name for name in required if name in numbered.collect_schema()]
    if not present:
        return
    empty = numbered.filter(pl.any_horizontal(pl.col(name).is_null() for name in present))
    if found is not None:
        empty = _without(empty, [found[POSITION]])
    reasons = [pl.when(pl.col(name).is_null()).then(pl.lit(f"{name}: there is no value")) for name in present]
    yield empty.with_columns(reason=pl.concat_str(reasons, separator="; ", ignore_nulls=True)).collect(
        engine="streaming"
    )


def _broken(rows: pl.LazyFrame, model: type[BaseModel], tell: Callable[[int], None]) -> Iterator[pl.DataFrame]:
    """Give rows that break a contract."""
    from rung.data._contract import check  # noqa: PLC0415  only where there is a contract

    done = 0
    for part in rows.collect_batches(chunk_size=_PART_ROWS, maintain_order=True):
        checked = check(part.drop(POSITION), model)
        if checked.problems:
            raise ContractError(
                f"the columns are not what {model.__name__} says: {'; '.join(checked.problems)}",
                hint="mend the source or the contract; nothing was written",
            )
        done += part.height
        tell(done)
        if checked.refused:
            told = pl.format("{}: {}", "column", "reason").str.strip_prefix(": ")
            why = pl.when(pl.col("value") == "").then(told).otherwise(pl.format("{}, but is {}", told, "value"))
            reasons = checked.bad.group_by("row", maintain_order=True).agg(reason=why.str.join("; "))
            yield part.with_row_index("row").join(reasons.cast({"row": pl.UInt32}), on="row").drop("row")


def _refused(staged: Staged, wrong: pl.DataFrame) -> pl.DataFrame:
    """Tell of rows that were staged which of the piece they were, why they are refused, and what they are."""
    told = light(wrong.drop(POSITION, "reason").lazy()).collect()
    content = [spelled(row) for row in told.iter_rows(named=True)]
    return pl.DataFrame(
        {
            "row": numbers(staged, wrong[POSITION]),
            "reason": wrong["reason"],
            "content": pl.Series(content, dtype=pl.String),
            "position": wrong[POSITION],
        }
    )


def _without(rows: pl.LazyFrame, positions: Sequence[pl.Series]) -> pl.LazyFrame:
    gone = [one for one in positions if one.len()]
    return rows.filter(~pl.col(POSITION).is_in(pl.concat(gone).implode())) if gone else rows
