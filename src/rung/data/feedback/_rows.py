"""Logged requests -> rows, one for each instance: its fields, the parameters, and the fields of its prediction. Pure.

A field of the service's own becomes a column with a name that says where it was: `instance.rooms`,
`parameters.round_to`, `prediction.price`. What is no object is one column: `instance`, `prediction`. Objects and lists
inside become JSON text: their shape may differ from row to row, a column's may not.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rung.lake._privacy import Part, Privacy

__all__ = ["KEY", "PLAIN", "agreed", "fitted", "to_rows", "together"]

KEY: Final = ("id", "position")
"""What tells rows apart: the request, and the place of the instance in it."""

PLAIN: Final = ("id", "time", "revision", "route", "kind", "unit", "experiment", "arm", "propensity")
"""Columns that a row has from the log as they are."""

_BATCH: Final = 50_000
"""Requests whose JSON is taken apart at once."""
_LEAST, _MOST = -(2**63), 2**63 - 1


def to_rows(answers: pl.DataFrame, privacy: Privacy | None) -> pl.DataFrame:
    """Take logged requests apart.

    Args:
        answers: Of the table of predictions: the plain columns, and instances, parameters, predictions as JSON text.
        privacy: What is left out, and what is hashed.

    Returns:
        The plain columns, `position` (of the instance in its request, from 0), and a column for each field that is
        anywhere not null; in the order of time.
    """
    ordered = answers.sort("time", "id")
    return together(
        [_batch(ordered.head(0), privacy), *(_batch(part, privacy) for part in ordered.iter_slices(_BATCH))]
    )


def together(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put frames with different columns one below the other."""
    columns: dict[str, pl.DataType] = {}
    for frame in frames:
        columns = agreed(columns, frame.schema)
    return pl.concat([fitted(frame.lazy(), columns) for frame in frames]).collect()


def agreed(one: Mapping[str, pl.DataType], other: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Give the columns that hold what two frames hold: whole numbers and others are numbers, all else is text.

    >>> agreed({"a": pl.Int64(), "b": pl.Boolean()}, {"a": pl.Float64(), "b": pl.String()})
    {'a': Float64, 'b': String}
    """
    found = dict(one)
    for name, kind in other.items():
        if name in found and found[name] != kind:
            numbers = {found[name], kind} <= {pl.Int64(), pl.Float64()}
            found[name] = pl.Float64() if numbers else pl.String()
        else:
            found[name] = kind
    return found


def fitted(rows: pl.LazyFrame, columns: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Give a frame these columns; what it has not is null."""
    own = rows.collect_schema()
    return rows.select(
        (_cast(pl.col(name), own[name], kind) if name in own else pl.lit(None, dtype=kind)).alias(name)
        for name, kind in columns.items()
    )


def _cast(column: pl.Expr, one: pl.DataType, other: pl.DataType) -> pl.Expr:
    if one == pl.Boolean() and other == pl.String():
        return pl.when(column).then(pl.lit("true")).when(~column).then(pl.lit("false"))
    return column.cast(other)


def _batch(answers: pl.DataFrame, privacy: Privacy | None) -> pl.DataFrame:
    instances = _lists(answers["instances"], "instance", privacy)
    predictions = _lists(answers["predictions"], "prediction", privacy)
    counts = [max(len(asked), len(told)) for asked, told in zip(instances, predictions, strict=True)]
    parameters = [_object(_kept(text, "parameters", privacy)) for text in answers["parameters"]]
    units = pl.Series("unit", [unit if privacy is None else privacy.unit(unit) for unit in answers["unit"]], pl.String)
    plain = answers.select(PLAIN).with_columns(units, pl.Series("count", counts, pl.Int64))
    repeated = plain.select(pl.exclude("count").repeat_by("count").explode(empty_as_null=False))
    positions = [place for count in counts for place in range(count)]
    return repeated.with_columns(
        pl.Series("position", positions, pl.Int64),
        *_columns("instance", _padded(instances, counts)),
        *_columns("parameters", (given for given, count in zip(parameters, counts, strict=True) for _ in range(count))),
        *_columns("prediction", _padded(predictions, counts)),
    )


def _lists(texts: pl.Series, part: Part, privacy: Privacy | None) -> list[list[Any]]:
    found = []
    for text in texts:
        value = _object(_kept(text, part, privacy))
        found.append(value if isinstance(value, list) else [])
    return found


def _kept(text: str | None, part: Part, privacy: Privacy | None) -> str | None:
    return text if privacy is None else privacy.text(part, text)


def _object(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _padded(lists: Sequence[list[Any]], counts: Sequence[int]) -> Iterable[Any]:
    for values, count in zip(lists, counts, strict=True):
        yield from values
        yield from [None] * (count - len(values))


def _columns(part: str, values: Iterable[Any]) -> list[pl.Series]:
    """Give a column for each field of the values, and one for those that are no objects."""
    fields: dict[str, list[Any]] = {}
    row = -1
    for row, value in enumerate(values):
        items = {f"{part}.{name}": inner for name, inner in value.items()} if isinstance(value, dict) else {part: value}
        for name, inner in items.items():
            if inner is not None:
                column = fields.setdefault(name, [])
                column += [None] * (row - len(column))
                column.append(inner)
    return [_series(name, [*column, *[None] * (row + 1 - len(column))]) for name, column in fields.items()]


def _series(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int} and all(value is None or _LEAST <= value <= _MOST for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float} and float in kinds:
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    texts = [
        value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values
    ]
    return pl.Series(name, texts, dtype=pl.String)
