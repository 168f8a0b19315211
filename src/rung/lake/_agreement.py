"""How far two sets of predictions are apart, field by field. Pure: predictions are values of JSON.

Used for what a shadow answered (`Lake.shadow`) and for recorded requests that are sent again.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Agreement", "Answered", "Difference", "FieldAgreement", "compare_predictions"]

_NOTHING: Final = object()
"""Stands for a field that one of the two predictions does not have."""
_MOST_DIFFERENT: Final = 10
_TINY: Final = 1e-12
"""Numbers that differ by no more are close, whatever their size: a probability of 0 and one of 1e-15."""
_EXPONENT: Final = 1023
"""Whole numbers of more bits have no value as a float."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One instance and what two revisions predicted for it."""

    id: str  # of the request
    instance: Any
    one: Any  # prediction of the revision that answers production
    other: Any  # prediction of the revision that is compared with it


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldAgreement:
    """One field of the predictions, over all instances."""

    compared: int  # values; of a list each element is one
    equal: int  # of these, exactly the same
    close: int  # of these, the same, or numbers within the tolerance
    numbers: int  # of these, numbers on both sides
    difference: float | None  # mean absolute difference of the numbers; None without any

    @property
    def agreement(self) -> float:
        """Share of the values that are the same or close."""
        return self.close / self.compared if self.compared else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One instance for which the predictions differ."""

    id: str  # of the request
    instance: Any
    one: Any
    other: Any
    distance: float  # sum over the fields: |a - b| / max(|a|, |b|) of numbers, 1 for anything else that differs


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far the predictions of two revisions are apart."""

    instances: int  # compared
    same: int  # of these, with all fields the same or close
    fields: dict[str, FieldAgreement]  # `price`, `address.city`, `scores[]`; a prediction that is no object: ``
    differing: tuple[Difference, ...]  # the ten that differ most, the largest distance first

    @property
    def share(self) -> float:
        """Share of the instances for which the predictions agree."""
        return self.same / self.instances if self.instances else 1.0


def compare_predictions(pairs: Iterable[Answered], *, tolerance: float = 1e-6) -> Agreement:
    """Compare predictions field by field.

    Args:
        pairs: Instances with two predictions each; taken one by one.
        tolerance: Numbers are close when they differ by at most this share of the larger one, or by 1e-12.

    >>> pairs = [Answered(id="p1", instance=1, one={"price": 100.0}, other={"price": 101.0})]
    >>> compare_predictions(pairs, tolerance=0.02).share
    1.0
    >>> compare_predictions(pairs).fields["price"].difference
    1.0
    """
    tallies: dict[str, _Tally] = {}
    instances = same = 0
    farthest: list[tuple[float, int, Answered]] = []
    for instances, pair in enumerate(pairs, 1):  # their number is read below
        distance, agrees = 0.0, True
        for field, one, other in leaves("", pair.one, pair.other):
            close, apart = tallies.setdefault(field, _Tally()).add(one, other, tolerance)
            distance += apart
            agrees &= close
        same += agrees
        if distance > 0:
            _keep(farthest, (distance, -instances, pair))
    return Agreement(
        instances=instances,
        same=same,
        fields={field: tally.agreement() for field, tally in sorted(tallies.items())},
        differing=tuple(_difference(pair, distance) for distance, _, pair in sorted(farthest, reverse=True)),
    )


@dataclass(slots=True)
class _Tally:
    compared: int = 0
    equal: int = 0
    close: int = 0
    numbers: int = 0
    difference: float = 0.0  # sum over the numbers

    def add(self, one: Any, other: Any, tolerance: float) -> tuple[bool, float]:
        """Count two values, and return whether they are close, and their distance."""
        self.compared += 1
        equal = type(one) is type(other) and (one == other or (one != one and other != other))  # noqa: PLR0124  NaN
        close, distance = equal, float(not equal)
        if is_number(one) and is_number(other):
            apart = abs(float(one) - float(other))
            equal, close = apart == 0, math.isclose(one, other, rel_tol=tolerance, abs_tol=_TINY)
            distance = apart / max(abs(one), abs(other)) if apart else 0.0
            self.numbers += 1
            self.difference += apart
        self.equal += equal
        self.close += close
        return close, distance

    def agreement(self) -> FieldAgreement:
        return FieldAgreement(
            compared=self.compared,
            equal=self.equal,
            close=self.close,
            numbers=self.numbers,
            difference=self.difference / self.numbers if self.numbers else None,
        )


def leaves(field: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Walk two values side by side; what only one of them has is beside `_NOTHING`."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            inner = f"{field}.{name}" if field else name
            yield from leaves(inner, one.get(name, _NOTHING), other.get(name, _NOTHING))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for first, second in zip(one, other, strict=True):
            yield from leaves(f"{field}[]", first, second)
    else:
        yield field, one, other


def is_number(value: Any) -> bool:
    """Tell whether a value of JSON is a finite number."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= _EXPONENT


def _keep(farthest: list[tuple[float, int, Answered]], found: tuple[float, int, Answered]) -> None:
    """Keep the pairs with the largest distances, of equal ones the first: numbers of pairs break ties."""
    if len(farthest) < _MOST_DIFFERENT:
        heapq.heappush(farthest, found)
    else:
        heapq.heappushpop(farthest, found)


def _difference(pair: Answered, distance: float) -> Difference:
    return Difference(id=pair.id, instance=pair.instance, one=pair.one, other=pair.other, distance=distance)
