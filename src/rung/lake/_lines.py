"""Lines of a log -> rows of a table, and the lines that cannot be rows with the reason why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from rung.lake.log import OUTCOMES, PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["KINDS", "BadLine", "Edit", "Kind", "key", "parse", "to_rows"]

Edit: TypeAlias = "Callable[[pl.DataFrame], pl.DataFrame]"
"""Fields of good lines -> the fields that are kept of them, of the same columns and as many rows."""

_INSTANT = pl.Datetime("us", "UTC")
_KEY_BYTES = 8
_LATEST = 4_102_444_800_000_000  # the year 2100, microseconds since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the lines of one stream hold, and what becomes of it."""

    fields: dict[str, type[pl.DataType]]  # of a line
    rules: tuple[tuple[pl.Expr, str], ...]  # what must not be true of a line, with the sentence for it
    columns: dict[str, pl.Expr]  # of the table, from the fields
    keys: dict[str, pl.Expr]  # more columns: texts that the table holds as whole numbers, to be compared fast

    @property
    def schema(self) -> pl.Schema:
        """The columns of the table with their types."""
        columns = pl.LazyFrame(schema=self.fields).select(**self.columns).collect_schema()
        return pl.Schema({**columns, **dict.fromkeys(self.keys, pl.Int64())})


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that cannot be a row."""

    position: int  # bytes before it
    line: bytes  # as it was, without its line feed
    reason: str


def parse(data: bytes, kind: Kind, edit: Edit | None = None) -> tuple[pl.DataFrame, list[BadLine]]:
    """Read whole lines, each ended by a line feed.

    Args:
        data: The lines.
        kind: What they hold.
        edit: Changes the fields of good lines before they become rows: what is not to be kept goes there.

    Returns:
        The rows, in the order of their lines and with the columns of the table, and the lines that are none.
    """
    fields = _decoded(data, kind)
    if isinstance(fields, pl.DataFrame):
        return to_rows(fields if edit is None else edit(fields), kind), []
    lines = data.split(b"\n")[:-1]
    decoded = list(_decode(lines, 0, kind)) if lines else []
    bad = {first: found for first, found in decoded if isinstance(found, str)}
    frames = [found.with_row_index("line", first) for first, found in decoded if isinstance(found, pl.DataFrame)]
    empty = pl.DataFrame(schema={"line": pl.UInt32, **kind.fields})
    rows = pl.concat([empty, *frames]).with_columns(_broken_rule(kind).alias("reason"))
    bad.update(rows.filter(pl.col("reason").is_not_null()).select("line", "reason").iter_rows())
    good = rows.filter(pl.col("reason").is_null()).select(*kind.fields)
    return to_rows(good if edit is None else edit(good), kind), list(_bad_lines(lines, bad))


def to_rows(fields: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Turn the fields of good lines into rows of the table."""
    rows = fields.select(**kind.columns, **kind.keys)
    return rows.with_columns(_hash(rows[name]) for name in kind.keys)


def _decoded(data: bytes, kind: Kind) -> pl.DataFrame | None:
    """Decode lines that are all good, as they nearly always are; None when one of them is not."""
    try:
        fields = pl.read_ndjson(data, schema=kind.fields) if data else pl.DataFrame(schema=kind.fields)
    except pl.exceptions.PolarsError:
        return None
    is_whole = fields.height == data.count(b"\n")
    return fields if is_whole and fields.select(_broken_rule(kind).is_null().all()).item() else None


def _broken_rule(kind: Kind) -> pl.Expr:
    """Give the sentence for the first rule that a line breaks, or null."""
    return pl.coalesce(*(pl.when(broken).then(pl.lit(sentence)) for broken, sentence in kind.rules))


def _decode(lines: list[bytes], first: int, kind: Kind) -> Iterator[tuple[int, pl.DataFrame | str]]:
    """Decode all lines at once; where that fails, each half on its own, until a bad line stands alone."""
    try:
        frame = pl.read_ndjson(b"\n".join(lines), schema=kind.fields)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
    else:
        if frame.height == len(lines):
            yield first, frame
            return
        reason = "the line holds no object"
    if len(lines) == 1:
        yield first, reason
        return
    middle = len(lines) // 2
    yield from _decode(lines[:middle], first, kind)
    yield from _decode(lines[middle:], first + middle, kind)


def _bad_lines(lines: list[bytes], reasons: dict[int, str]) -> Iterator[BadLine]:
    starts = [0, *accumulate(len(line) + 1 for line in lines)] if reasons else []
    for number, reason in sorted(reasons.items()):
        yield BadLine(position=starts[number], line=lines[number], reason=reason)


def key(text: str) -> int:
    """Turn a text into a 64-bit key that stays the same for ever (polars' own hash differs between its versions)."""
    return int.from_bytes(blake2b(text.encode(), digest_size=_KEY_BYTES).digest(), "little", signed=True)


def _hash(texts: pl.Series) -> pl.Series:
    """Turn each text into its `key`: all rows pass through here, so one state is copied rather than made for each."""
    begun = blake2b(digest_size=_KEY_BYTES).copy
    digests = []
    for text in texts.cast(pl.Binary).to_list():
        state = begun()
        state.update(text or b"")
        digests.append(state.digest())
    keys = pl.Series(texts.name, np.frombuffer(b"".join(digests), dtype="<i8"), dtype=pl.Int64)
    return keys.set(texts.is_null(), None)


def _instant(field: str) -> pl.Expr:
    return pl.col(field).cast(_INSTANT)


def _blank(field: str) -> pl.Expr:
    return pl.col(field).is_null() | (pl.col(field) == "")


def _given(field: str) -> pl.Expr:
    return pl.when(pl.col(field) != "").then(pl.col(field))


def _no_instant(field: str) -> pl.Expr:
    return ~pl.col(field).is_between(0, _LATEST)


_SERVICE = r"^[a-z][a-z0-9_]{0,62}$"
_REVISION = r"^([a-z][a-z0-9_]{0,62})\.v([1-9][0-9]{0,8})\.m(0|[1-9][0-9]{0,8})$"
_ARM = r"^(incumbent|challenger|none|m[0-9]{1,9})$"

_WITHOUT_ID = (pl.coalesce("time", "received"), pl.col("value"))
_SAME = pl.struct(
    "metric",
    "unit",
    "prediction_id",
    _given("id").alias("id"),
    *(pl.when(_given("id").is_null()).then(column).alias(f"{number}") for number, column in enumerate(_WITHOUT_ID)),
).struct.json_encode()
"""Equal for outcomes that are the same: by their id, and without one by their time and value."""

KINDS = {
    PREDICTIONS: Kind(
        fields={
            "id": pl.String,
            "time": pl.Int64,
            "revision": pl.String,
            "route": pl.String,
            "unit": pl.String,
            "experiment": pl.String,
            "arm": pl.String,
            "propensity": pl.Float64,
            "kind": pl.String,
            "status": pl.Int32,
            "duration_ms": pl.Float64,
            "instances": pl.String,
            "parameters": pl.String,
            "predictions": pl.String,
            "error": pl.String,
            "features": pl.String,
        },
        rules=(
            (_blank("id"), "the id is missing"),
            (_no_instant("time").fill_null(value=True), "the time is not in microseconds since 1970"),
            (
                ~pl.col("revision").str.contains(_REVISION).fill_null(value=False),
                "the revision is not named as a revision",
            ),
            (_blank("kind"), "the kind is missing"),
            (pl.col("status").is_null(), "the status is missing"),
            (~pl.col("arm").str.contains(_ARM), "the arm is not one that exists"),
        ),
        columns={
            "service": pl.col("revision").str.extract(_REVISION, 1),
            "date": _instant("time").dt.date(),
            "id": pl.col("id"),
            "time": _instant("time"),
            "revision": pl.col("revision"),
            "major": pl.col("revision").str.extract(_REVISION, 2).cast(pl.Int32),
            "minor": pl.col("revision").str.extract(_REVISION, 3).cast(pl.Int32),
            **{name: pl.col(name) for name in ("route", "unit", "experiment", "arm", "propensity", "kind", "status")},
            **{name: pl.col(name) for name in ("duration_ms", "instances", "parameters", "predictions", "error")},
            "features": pl.col("features"),
        },
        keys={"id_key": pl.col("id"), "unit_key": _given("unit")},
    ),
    OUTCOMES: Kind(
        fields={
            "id": pl.String,
            "service": pl.String,
            "metric": pl.String,
            "value": pl.Float64,
            "unit": pl.String,
            "prediction_id": pl.String,
            "time": pl.Int64,
            "received": pl.Int64,
        },
        rules=(
            (~pl.col("service").str.contains(_SERVICE).fill_null(value=False), "the service is not named as a service"),
            (_blank("metric"), "the metric is missing"),
            (~pl.col("value").is_finite().fill_null(value=False), "the value is not a finite number"),
            (_blank("unit") & _blank("prediction_id"), "neither unit nor prediction_id is given"),
            (_no_instant("time"), "the time is not in microseconds since 1970"),
            (_no_instant("received").fill_null(value=True), "received is not in microseconds since 1970"),
        ),
        columns={
            "service": pl.col("service"),
            "date": _instant("received").dt.date(),
            **{name: pl.col(name) for name in ("id", "metric", "value", "unit", "prediction_id")},
            "time": _instant("time"),
            "received": _instant("received"),
        },
        keys={"unit_key": _given("unit"), "prediction_key": _given("prediction_id"), "same_key": _SAME},
    ),
}
"""The streams that are shipped."""
