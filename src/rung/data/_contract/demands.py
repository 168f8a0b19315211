"""What one value must be, as expressions: by its Pydantic schema and its column's type. Called by `rules`.

Each function gives the demands of one kind of schema, or None where only Pydantic can tell. They follow Pydantic's lax
mode unless the schema is strict; a property test holds every one of them against `model_validate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Demand", "demands_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One demand of a value."""

    broken: pl.Expr  # true where it is not met; null where the value is
    reason: str  # "must be at least 0"
    is_of_all: bool = False  # the type of the column is wrong: no value can meet it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A value and what is asked of it."""

    value: pl.Expr
    kind: pl.DataType
    schema: Mapping[str, Any]
    definitions: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]  # the model's own

    @property
    def is_strict(self) -> bool:
        return bool(self.schema.get("strict", self.settings.get("strict", False)))

    def knows(self, *names: str) -> bool:
        """Tell whether the schema says nothing beside these and what means nothing here."""
        return set(self.schema) <= {"type", "strict", "metadata", "ref", "serialization", *names}

    def wrong(self, wanted: str) -> list[Demand]:
        """Refuse every value for its type."""
        return [Demand(broken=self.value.is_not_null(), reason=f"is {self.kind}, but must be {wanted}", is_of_all=True)]


_Demands = list[Demand] | None
_BOUNDS: Final = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_SMALL: Final = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)
_SMALLEST, _LARGEST = -(2**127), 2**127 - 1
_EXACT: Final = 2**53
"""Up to here every whole number is a float."""
_WHOLE_LIMIT: Final = 2.0**63
"""Pydantic takes no float for a whole number from here on."""
_NESTED: Final = (pl.List, pl.Struct)
_TEXTS: Final = (pl.String, pl.Categorical, pl.Enum)
_MOMENTS: Final = (pl.Date, pl.Datetime, pl.Time, pl.Duration)


def demands_of(
    schema: Mapping[str, Any],
    kind: pl.DataType,
    value: pl.Expr,
    *,
    definitions: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
) -> _Demands:
    """Give the demands of a value, nulls included, or None where only Pydantic can tell."""
    nullable = False
    while (form := schema["type"]) in {"nullable", "definition-ref"}:
        nullable |= form == "nullable"
        schema = schema["schema"] if form == "nullable" else definitions[schema["schema_ref"]]
    nullable |= form == "any" or (form == "literal" and None in schema["expected"])
    maker = _MAKERS.get(form)
    if maker is None:
        return None
    null = [] if nullable else [Demand(broken=value.is_null(), reason="must not be null")]
    if kind == pl.Null:
        return null
    asked = _Asked(value=value, kind=kind, schema=schema, definitions=definitions, settings=settings)
    demands = maker(asked)
    return None if demands is None else null + demands


def _any(_: _Asked) -> _Demands:
    return []


def _whole(asked: _Asked) -> _Demands:
    if not asked.knows(*_BOUNDS, "multiple_of"):
        return None
    if asked.kind.is_integer():
        return _whole_bounds(asked, asked.value)
    if isinstance(asked.kind, (*_NESTED, *_MOMENTS)) or (
        asked.is_strict and isinstance(asked.kind, (pl.Boolean, pl.Float32, pl.Float64, *_TEXTS))
    ):
        return asked.wrong("a whole number")
    if asked.kind == pl.Boolean:
        return _whole_bounds(asked, asked.value.cast(pl.Int8))
    if asked.kind.is_float():
        number = asked.value.cast(pl.Float64)
        is_whole = (number == number.floor()) & (number.abs() < _WHOLE_LIMIT)
        bounds = _whole_bounds(asked, pl.when(is_whole).then(number).cast(pl.Int64))
        return None if bounds is None else [Demand(broken=~is_whole, reason="must be a whole number"), *bounds]
    return None


def _whole_bounds(asked: _Asked, value: pl.Expr) -> _Demands:
    named = {name: asked.schema[name] for name in (*_BOUNDS, "multiple_of") if name in asked.schema}
    if not all(type(bound) is int and _SMALLEST <= bound <= _LARGEST for bound in named.values()):
        return None
    fits = isinstance(asked.kind, (*_SMALL, pl.Boolean, pl.Float32, pl.Float64))
    form = pl.Int64() if fits and all(abs(bound) < 2**62 for bound in named.values()) else pl.Int128()
    return _bounds(value.cast(form), named, form)


def _number(asked: _Asked) -> _Demands:
    if not asked.knows(*_BOUNDS, "multiple_of", "allow_inf_nan"):
        return None
    if isinstance(asked.kind, (*_NESTED, *_MOMENTS)) or (
        asked.is_strict and isinstance(asked.kind, (pl.Boolean, *_TEXTS))
    ):
        return asked.wrong("a number")
    if not (asked.kind.is_integer() or asked.kind.is_float() or asked.kind == pl.Boolean):
        return None
    named = {name: asked.schema[name] for name in (*_BOUNDS, "multiple_of") if name in asked.schema}
    if not all(type(bound) in {int, float} and abs(bound) <= _EXACT for bound in named.values()):
        return None
    value = asked.value.cast(pl.Float64)
    bounds = _bounds(value, {name: float(bound) for name, bound in named.items()}, pl.Float64())
    if asked.schema.get("allow_inf_nan", asked.settings.get("allow_inf_nan", True)):
        return bounds
    return [Demand(broken=~value.is_finite(), reason="must be a finite number"), *bounds]


def _bounds(value: pl.Expr, named: Mapping[str, Any], kind: pl.DataType) -> list[Demand]:
    """Compare with bounds; nan keeps none of them."""
    demands = []
    for name, bound in named.items():
        limit = pl.lit(bound, dtype=kind)
        broken = {
            "ge": value < limit,
            "gt": value <= limit,
            "le": value > limit,
            "lt": value >= limit,
            "multiple_of": _is_no_multiple(value, bound),
        }[name]
        if kind == pl.Float64 and name in {"ge", "gt"}:
            broken |= value.is_nan()
        demands.append(Demand(broken=broken, reason=f"must be {_BOUNDS.get(name, 'a multiple of')} {_spelled(bound)}"))
    return demands


def _spelled(bound: Any) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _is_no_multiple(value: pl.Expr, of: float) -> pl.Expr:
    """Tell as Pydantic does: a float may be off by a billionth of itself."""
    rest = (value % of).abs()
    if isinstance(of, int):
        return rest != 0
    slack = value.abs() / 1e9
    return (rest > slack) & ((rest - of).abs() > slack) & value.is_finite()


def _text(asked: _Asked) -> _Demands:
    if not asked.knows("min_length", "max_length", "pattern", "strip_whitespace"):
        return None
    if asked.kind.is_numeric() or isinstance(asked.kind, (pl.Boolean, *_NESTED, *_MOMENTS)):
        return None if asked.kind.is_decimal() else asked.wrong("a text")
    pattern = asked.schema.get("pattern", "")
    if not isinstance(asked.kind, _TEXTS) or not isinstance(pattern, str):
        return None
    value = asked.value.cast(pl.String)
    if asked.schema.get("strip_whitespace", asked.settings.get("str_strip_whitespace", False)):
        value = value.str.strip_chars()
    demands = _lengths(asked, value.str.len_chars(), "character")
    if pattern:
        demands.append(Demand(broken=~value.str.contains(pattern), reason=f"must match {pattern}"))
    return demands


def _lengths(asked: _Asked, length: pl.Expr, of: str) -> list[Demand]:
    demands = []
    if low := asked.schema.get("min_length"):
        demands.append(Demand(broken=length < low, reason=f"must have at least {_counted(low, of)}"))
    if (high := asked.schema.get("max_length")) is not None:
        demands.append(Demand(broken=length > high, reason=f"must have at most {_counted(high, of)}"))
    return demands


def _counted(number: int, of: str) -> str:
    return f"{number} {of}" if number == 1 else f"{number} {of}s"


def _truth(asked: _Asked) -> _Demands:
    if asked.kind == pl.Boolean and asked.knows():
        return []
    if isinstance(asked.kind, (*_NESTED, *_MOMENTS)) or (asked.is_strict and asked.kind.is_integer()):
        return asked.wrong("true or false")
    if asked.kind.is_integer() and asked.knows():
        return [Demand(broken=~asked.value.is_between(0, 1), reason="must be true or false, 1 or 0")]
    return None


def _date(asked: _Asked) -> _Demands:
    if isinstance(asked.kind, (pl.Boolean, *_NESTED)):
        return asked.wrong("a date")
    if asked.kind != pl.Date or not asked.knows(*_BOUNDS):
        return None
    return _bounds(asked.value, {name: asked.schema[name] for name in _BOUNDS if name in asked.schema}, pl.Date())


def _moment(asked: _Asked) -> _Demands:
    if isinstance(asked.kind, (pl.Boolean, *_NESTED)):
        return asked.wrong("a date with a time")
    if not isinstance(asked.kind, pl.Datetime) or not asked.knows(*_BOUNDS, "microseconds_precision", "tz_constraint"):
        return None
    zone, wanted = asked.kind.time_zone, asked.schema.get("tz_constraint")
    if (wanted == "aware" and zone is None) or (wanted == "naive" and zone is not None):
        return asked.wrong("with a time zone" if zone is None else "without a time zone")
    named: dict[str, datetime] = {name: asked.schema[name] for name in _BOUNDS if name in asked.schema}
    if wanted not in {None, "aware", "naive"} or any(
        (bound.tzinfo is None) != (zone is None) for bound in named.values()
    ):
        return None
    if zone is None:
        return _bounds(asked.value.dt.cast_time_unit("us"), named, pl.Datetime("us"))
    value = asked.value.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return _bounds(value, {name: bound.astimezone(UTC) for name, bound in named.items()}, pl.Datetime("us", "UTC"))


def _literal(asked: _Asked) -> _Demands:
    return _one_of(asked, [value for value in asked.schema["expected"] if value is not None])


def _enum(asked: _Asked) -> _Demands:
    if not asked.knows("cls", "members", "sub_type") or asked.is_strict:
        return None
    return _one_of(asked, [member.value for member in asked.schema["members"]])


def _one_of(asked: _Asked, values: Sequence[Any]) -> _Demands:
    kinds = {type(value) for value in values}
    if kinds == {str} and isinstance(asked.kind, _TEXTS):
        value, allowed = asked.value.cast(pl.String), pl.Series(values, dtype=pl.String)
    elif kinds == {int} and isinstance(asked.kind, _SMALL) and all(abs(value) < 2**62 for value in values):
        value, allowed = asked.value.cast(pl.Int64), pl.Series(values, dtype=pl.Int64)
    else:
        return None
    return [Demand(broken=~value.is_in(allowed.implode()), reason=f"must be one of {', '.join(map(str, values))}")]


def _list(asked: _Asked) -> _Demands:
    if isinstance(asked.kind, (pl.Boolean, *_TEXTS, *_MOMENTS)) or asked.kind.is_numeric():
        return asked.wrong("a list")
    if not isinstance(asked.kind, pl.List) or not asked.knows("items_schema", "min_length", "max_length"):
        return None
    demands = _lengths(asked, asked.value.list.len(), "item")
    items = demands_of(
        asked.schema.get("items_schema", {"type": "any"}),
        _inner(asked.kind),
        pl.element(),
        definitions=asked.definitions,
        settings=asked.settings,
    )
    if items is None:
        return None
    for item in items:
        broken = asked.value.list.eval(item.broken.fill_null(value=False)).list.any()
        demands.append(Demand(broken=broken, reason=f"each item {item.reason}", is_of_all=item.is_of_all))
    return demands


def _inner(kind: pl.List) -> pl.DataType:
    return kind.inner if isinstance(kind.inner, pl.DataType) else kind.inner()


_MAKERS: Final[Mapping[str, Callable[[_Asked], _Demands]]] = {
    "any": _any,
    "int": _whole,
    "float": _number,
    "str": _text,
    "bool": _truth,
    "date": _date,
    "datetime": _moment,
    "literal": _literal,
    "enum": _enum,
    "list": _list,
}
