"""How far two lists of predictions are apart. Pure: called by the parity gate."""

from __future__ import annotations

from math import inf, isnan
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from rung.conversion._verdict import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def compare(native: Sequence[Any], converted: Sequence[Any]) -> Difference:
    """Compare predictions row by row, as consumers get them.

    Numbers are compared by size; everything else, a number that is missing on one side included, is the same or a flip.

    >>> compare([{"price": 200.0, "class": "a"}], [{"price": 200.1, "class": "b"}])
    Difference(rows=1, number=0.0004999999999999716, flips=1.0)

    Args:
        native: Predictions of the native model: models, dataclasses or plain data.
        converted: Those of the converted model for the same instances, in the same order.
    """
    if len(native) != len(converted):
        return Difference(rows=len(native), number=inf, flips=1.0)
    number, flipped = 0.0, 0
    for one, other in zip(native, converted, strict=True):
        differences = list(_differences(to_jsonable_python(one), to_jsonable_python(other)))
        flipped += None in differences
        number = max([number, *(difference for difference in differences if difference is not None)])
    return Difference(rows=len(native), number=number, flips=flipped / len(native) if native else 0.0)


def _differences(one: Any, other: Any) -> Iterator[float | None]:
    """Give the difference of each pair of numbers, and None for everything else that is not the same."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key, value in one.items():
            yield from _differences(value, other[key])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for value, another in zip(one, other, strict=True):
            yield from _differences(value, another)
    elif _is_number(one) and _is_number(other):
        yield _distance(one, other)
    elif type(one) is not type(other) or one != other:
        yield None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _distance(native: float, converted: float) -> float:
    if native == converted:
        return 0.0
    distance = abs(native - converted) / max(1.0, abs(native))
    return inf if isnan(distance) else distance
