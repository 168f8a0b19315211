"""For models and frames made at random, a contract refuses exactly the rows that Pydantic refuses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NaiveDatetime,
    StringConstraints,
    ValidationError,
    create_model,
)

from rung.data._contract import check, check_rows

NAMES = ["rooms", "price", "built", "Ünïcode name", "row", "number", "0", "*", "^r.*$"]
BEGAN = datetime(2026, 1, 1)  # noqa: DTZ001  contracts speak of naive times too


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 3


class Mixed(Enum):
    ONE = "red"
    TWO = 2


def bounded(kind: Any, bounds: st.SearchStrategy[Any], *, multiples: st.SearchStrategy[Any] | None = None) -> Any:
    """Types of a kind with some bounds."""
    given_bounds = dict.fromkeys(("ge", "gt", "le", "lt"), bounds)
    if multiples is not None:
        given_bounds["multiple_of"] = multiples
    chosen = st.fixed_dictionaries({}, optional=given_bounds)
    return st.builds(
        lambda named, strict: Annotated[kind, Field(**named, strict=strict)],
        chosen,
        st.sampled_from([None, None, True]),
    )


small = st.integers(-4, 4)
days = small.map(lambda number: BEGAN.date() + timedelta(days=number))
moments = small.map(lambda number: BEGAN + timedelta(hours=number))
aware = moments.map(lambda moment: moment.replace(tzinfo=UTC))
lengths = st.fixed_dictionaries({}, optional={"min_length": st.integers(0, 3), "max_length": st.integers(0, 4)})
letters = st.text(alphabet="ab éß\u2028\u00a0\nAZ", max_size=5) | st.sampled_from(["red", "blue", "1", "2026-01-01"])
floats = st.floats(-5, 5) | st.sampled_from([0.1, 0.3, 0.5, 2.0, 1e300, 2.0**63, math.nan, math.inf, -math.inf])
Column = tuple[pl.DataType, st.SearchStrategy[Any]]
COLUMNS: dict[str, list[Column]] = {
    "whole": [
        (pl.Int64(), small),
        (pl.Int8(), st.integers(-128, 127)),
        (pl.UInt64(), st.integers(0, 4) | st.just(2**64 - 1)),
        (pl.Int128(), small | st.just(2**100)),
        (pl.Float64(), st.integers(-5, 5).map(float)),
    ],
    "number": [(pl.Float64(), floats), (pl.Float32(), st.floats(-5, 5, width=32)), (pl.Int64(), small)],
    "truth": [(pl.Boolean(), st.booleans()), (pl.Int64(), st.integers(0, 2))],
    "text": [
        (pl.String(), letters),
        (pl.Categorical(), st.sampled_from(["red", "blue", "ab"])),
        (pl.Enum(["red", "green"]), st.sampled_from(["red", "green"])),
    ],
    "date": [(pl.Date(), days)],
    "moment": [
        (pl.Datetime("us"), moments),
        (pl.Datetime("ms", "UTC"), aware),
        (pl.Datetime("ns", "Europe/Berlin"), aware),
    ],
    "list": [
        (pl.List(pl.Int64()), st.lists(small | st.none(), max_size=4)),
        (pl.List(pl.String()), st.lists(letters, max_size=4)),
        (pl.List(pl.Float64()), st.lists(floats, max_size=4)),
    ],
    "other": [
        (pl.Duration("us"), small.map(lambda number: timedelta(hours=number))),
        (pl.Time(), moments.map(datetime.time)),
        (pl.Null(), st.none()),
        (pl.Binary(), st.binary(max_size=3)),
        (pl.Decimal(10, 2), small),
        (pl.Struct({"a": pl.Int64()}), st.fixed_dictionaries({"a": small})),
    ],
}
EVERY_COLUMN = [column for columns in COLUMNS.values() for column in columns]

texts = st.builds(
    lambda named, pattern, strips: Annotated[str, StringConstraints(**named, pattern=pattern, strip_whitespace=strips)],
    lengths,
    st.sampled_from([None, None, "^a", "b$", r"^\w+$", "ß|é"]),
    st.sampled_from([None, None, True]),
)
wholes = bounded(int, small | st.sampled_from([2**63, -(2**70), 2**130]), multiples=st.integers(1, 3))
numbers = bounded(float, st.sampled_from([-2.0, -0.5, 0.0, 0.1, 3.0]), multiples=st.sampled_from([0.1, 0.5, 3.0]))
LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "whole": wholes | st.sampled_from([Literal[1, 2], Size, Annotated[int, AfterValidator(abs)]]),
    "number": numbers | st.just(Annotated[float, Field(allow_inf_nan=False)]),
    "truth": st.sampled_from([bool, Literal[True]]),
    "text": texts | st.sampled_from([Literal["red", "blue"], Literal["red"] | None, Literal["red", 1], Colour, Mixed]),
    "date": bounded(date, days),
    "moment": bounded(datetime, moments) | bounded(AwareDatetime, aware) | st.just(NaiveDatetime),
    "other": st.sampled_from([Any, int | str, dict[str, int]]),
}
leaves = st.sampled_from([*LEAVES]).flatmap(lambda what: st.tuples(st.just(what), LEAVES[what]))
lists = st.builds(lambda leaf, named: ("list", Annotated[list[leaf[1]], Field(**named)]), leaves, lengths)
fields = st.tuples(leaves | leaves | lists, st.booleans(), st.sampled_from([..., ..., 3, None]))
configs = st.sampled_from(
    [{}, {}, {}, {"extra": "forbid"}, {"strict": True}, {"allow_inf_nan": False}, {"str_strip_whitespace": True}]
).map(lambda config: ConfigDict(**config))


@dataclass(frozen=True)
class Case:
    model: type[BaseModel]
    frame: pl.DataFrame


@st.composite
def cells(draw: st.DrawFn, columns: list[Column], height: int) -> pl.Series:
    kind, values = draw(st.sampled_from(columns))
    values = draw(st.sampled_from([values, values | st.none()]))
    return pl.Series(draw(st.lists(values, min_size=height, max_size=height)), dtype=kind)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A model, and a frame whose columns mostly suit it."""
    chosen = draw(st.dictionaries(st.sampled_from(NAMES), fields, min_size=1, max_size=3))
    named = {
        f"field{place}": (kind | None if nullable else kind, Field(default, alias=name))
        for place, (name, ((_, kind), nullable, default)) in enumerate(chosen.items())
    }
    height = draw(st.integers(0, 6))
    frame = {name: draw(cells(EVERY_COLUMN, height)) for name in draw(st.sets(st.sampled_from(NAMES), max_size=2))}
    for name, ((what, _), _, _) in chosen.items():
        if draw(st.integers(0, 9)):
            suits = draw(st.integers(0, 4))
            frame[name] = draw(cells(COLUMNS[what] if suits else EVERY_COLUMN, height))
    return Case(model=create_model("Model", __config__=draw(configs), **named), frame=pl.DataFrame(frame))


def takes(model: type[BaseModel], row: dict[str, Any]) -> bool:
    try:
        model.model_validate(row)
    except ValidationError:
        return False
    return True


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_contract_refuses_what_pydantic_refuses(case: Case):
    rows = case.frame.to_dicts()
    refused = [number for number, row in enumerate(rows) if not takes(case.model, row)]
    checked = check(case.frame, case.model)
    assert checked.bad["row"].unique().sort().to_list() == refused
    assert checked.good.equals(case.frame.filter(pl.Series([takes(case.model, row) for row in rows], dtype=pl.Boolean)))
    assert sorted({one.row for one in check_rows(rows, case.model)}) == refused
