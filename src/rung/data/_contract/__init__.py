"""What rows must be, as a Pydantic model whose fields are columns: checked at ingest, before training, while serving.

A row keeps a contract when `Model.model_validate(row)` takes it, in the model's own mode: lax, unless the model is
strict. `check` gives the same answer in bulk: what the model's fields say becomes expressions (a million rows take a
tenth of a second), and only what cannot (validators of the author's own, unions, nested models) goes through Pydantic
row by row, which takes some hundred times as long. Values stay as they are: what lax mode would convert is not
converted here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from rung.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl

    from rung.data._contract.rules import Rules

__all__ = ["Checked", "Refusal", "check", "check_rows", "require"]

_SLICE: Final = 10_000
"""Rows that Pydantic looks at in one call."""
_PART: Final = 500_000
"""Rows of a lazy frame that are in memory at once."""
_SHOWN: Final = 5
"""Rows that an error shows."""
_LONGEST_VALUE: Final = 200
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why one row breaks its contract.

    >>> str(Refusal(row=17, column="rooms", reason="must be at least 0", value="-1"))
    'row 17: rooms: must be at least 0, but is -1'
    """

    row: int  # from 0
    column: str  # empty: the row as a whole
    reason: str
    value: str  # as text, cut; empty where there is none

    def __str__(self) -> str:
        what = f"{self.column}: {self.reason}" if self.column else self.reason
        return f"row {self.row}: {what}, but is {self.value}" if self.value else f"row {self.row}: {what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A frame after its rows were held against a contract."""

    good: pl.DataFrame  # rows that keep it, as they came, with all their columns
    bad: pl.DataFrame  # row (from 0), column, reason, value: a line for each row and column that breaks it
    rows: int
    problems: tuple[str, ...]  # what is wrong with whole columns: missing, of a wrong type, not allowed
    by_row: str  # why Pydantic looked at rows one by one; empty when it did not

    @property
    def refused(self) -> int:
        """How many rows break it."""
        return self.rows - self.good.height

    def refusals(self, rows: int) -> list[Refusal]:
        """Tell why the first so many rows are refused."""
        first = self.bad["row"].unique(maintain_order=True).head(rows)
        return [
            Refusal(**line) for line in self.bad.filter(self.bad["row"].is_in(first.implode())).iter_rows(named=True)
        ]


def check(frame: pl.DataFrame | pl.LazyFrame, model: type[BaseModel]) -> Checked:
    """Hold each row of a frame against a contract.

    Columns that the model does not name are kept, unless its `extra` is `forbid`.

    >>> import polars as pl
    >>> from pydantic import Field
    >>> class House(BaseModel):
    ...     rooms: int = Field(ge=1)
    >>> checked = check(pl.DataFrame({"rooms": [3, 0, None]}), House)
    >>> checked.good.rows(), [str(one) for one in checked.refusals(2)]
    ([(3,)], ['row 1: rooms: must be at least 1, but is 0', 'row 2: rooms: must not be null'])
    """
    from rung.data._contract.rules import rules_of  # noqa: PLC0415  as below

    rows = frame.lazy().collect()
    return _check(rows, model, rules_of(model, rows.schema))


def require(frame: pl.DataFrame | pl.LazyFrame, model: type[BaseModel], *, what: str) -> None:
    """Stop unless every row keeps a contract. A lazy frame is read in parts.

    Args:
        frame: The rows.
        model: Its fields are columns.
        what: What the rows are called, as `houses@3`.

    Raises:
        ContractError: A row breaks it, or a column is missing or of a wrong type; the first rows are shown.
    """
    from rung.data._contract.rules import column, rules_of  # noqa: PLC0415  as below

    frame = frame.lazy()
    schema = frame.collect_schema()
    rules = rules_of(model, schema)
    if not rules.by_row:
        frame = frame.select([column(name) for name in schema if any(rule.column == name for rule in rules.rules)])
    rows = refused = 0
    shown: list[Refusal] = []
    for part in _parts(frame):
        checked = _check(part, model, rules)
        if checked.problems:
            raise _broken(what, model, "; ".join(checked.problems))
        shown += [replace(one, row=one.row + rows) for one in checked.refusals(_SHOWN - len(shown))]
        rows, refused = rows + checked.rows, refused + checked.refused
    if refused:
        told = f"{refused:,} of {rows:,} rows are refused; {'; '.join(map(str, shown))}"
        raise _broken(what, model, told)


def _parts(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Read a frame in parts, at least one, which may be empty."""
    parts = iter(frame.collect_batches(chunk_size=_PART))
    first = next(parts, None)
    yield frame.collect_schema().to_frame() if first is None else first
    yield from parts


def check_rows(rows: Sequence[Mapping[str, Any]], model: type[BaseModel]) -> list[Refusal]:
    """Hold a few rows against a contract, without polars: the features of one request.

    >>> class House(BaseModel):
    ...     rooms: int
    >>> check_rows([{"rooms": 3}, {"rooms": "many"}], House)[0].row
    1
    """
    try:
        _adapter(model).validate_python(rows)
    except ValidationError as error:
        return _refusals(error)
    return []


def _check(rows: pl.DataFrame, model: type[BaseModel], rules: Rules) -> Checked:
    from rung.data._contract import bulk  # noqa: PLC0415  polars, which serving does not need

    masks = bulk.where_broken(rows, rules.rules)
    bad = bulk.any_of(masks, rows.height)
    lines = bulk.lines_of(rows, rules.rules, masks)
    if rules.by_row:
        found = list(_by_row(rows.filter(~bad), (~bad).arg_true(), model))
        lines = lines.vstack(bulk.lines(found))
        bad = bad.scatter([one.row for one in found], values=True)
    problems = [
        f"{rule.column} {rule.reason}"
        for rule, mask in zip(rules.rules, masks, strict=True)
        if rule.is_of_all and (mask.any() or not rows.height)
    ]
    return Checked(
        good=rows.filter(~bad),
        bad=bulk.ordered(lines),
        rows=rows.height,
        problems=tuple(problems),
        by_row=rules.by_row,
    )


def _by_row(rows: pl.DataFrame, numbers: pl.Series, model: type[BaseModel]) -> Iterator[Refusal]:
    """Let Pydantic look at each row; `numbers` says which rows of the frame they are."""
    adapter = _adapter(model)
    for first, part in zip(range(0, rows.height, _SLICE), rows.iter_slices(_SLICE), strict=True):
        try:
            adapter.validate_python(part.to_dicts())
        except ValidationError as error:
            for one in _refusals(error):
                yield replace(one, row=numbers[first + one.row])


def _broken(what: str, model: type[BaseModel], told: str) -> ContractError:
    return ContractError(
        f"{what} breaks its contract {model.__name__}: {told}",
        hint="mend the rows where they come from, or say in the contract what they may be",
    )


@lru_cache(maxsize=64)
def _adapter(model: type[BaseModel]) -> TypeAdapter[Any]:
    return TypeAdapter(list[model])  # type: ignore[valid-type]


def _refusals(error: ValidationError) -> list[Refusal]:
    """Give the first reason for each row and column."""
    found: dict[tuple[int, str], Refusal] = {}
    for one in error.errors(include_url=False):
        row, *rest = one["loc"]
        column = str(rest[0]) if rest else ""
        refusal = Refusal(
            row=int(row),
            column=column,
            reason=one["msg"].removeprefix("Input ").removeprefix("Value error, "),
            value=repr(one["input"])[:_LONGEST_VALUE] if column and one["type"] != "missing" else "",
        )
        found.setdefault((refusal.row, column), refusal)
    return list(found.values())
