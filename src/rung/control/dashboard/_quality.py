"""Charts of how well a run did on held-out rows, by the kind of its answers: numbers, or classes. Pure.

They are drawn from what evaluation kept (`rung.testing.Evaluated`): a sample of requests, answers and truths.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rung.charts.figure import Curve, Figure, Panel, Rule, padded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rung.charts.figure import Tone
    from rung.testing import Evaluated

__all__ = ["Classes", "Numbers", "read"]

_FEWEST = 20  # answers worth a chart
_MOST_CLASSES = 12
_BINS = 10
_ROUNDING = 1e-6
_TONES: tuple[Tone, ...] = ("main", "second", "good", "bad")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """A regression: what was answered and what was true."""

    field: str
    predicted: tuple[float, ...]
    true: tuple[float, ...]

    def figures(self) -> list[Figure]:
        """Draw residuals over what was answered, and how they are distributed."""
        residuals = [truth - answer for answer, truth in zip(self.predicted, self.true, strict=True)]
        return [self._residuals(residuals), self._calibration()]

    def _residuals(self, residuals: Sequence[float]) -> Figure:
        low, high = padded(self.predicted)
        floor, ceiling = padded([0.0, *residuals])
        ordered = sorted(zip(self.predicted, residuals, strict=True))
        points = tuple(Curve(points=(point,), label="", tone="main") for point in ordered)
        return Figure(
            title=f"Residuals of {self.field}",
            told=f"{len(residuals):,} held-out rows; truth less answer, {fmean(residuals):+,.4g} on average.",
            x_title=f"answered {self.field}",
            low=low,
            high=high,
            panels=(
                Panel(
                    title="truth less answer",
                    low=floor,
                    high=ceiling,
                    curves=points,
                    rules=(Rule(y=0.0, label="right"),),
                ),
            ),
        )

    def _calibration(self) -> Figure:
        """Draw the mean truth over the mean answer, in tenths of the answers."""
        ordered = sorted(zip(self.predicted, self.true, strict=True))
        size = max(len(ordered) // _BINS, 1)
        parts = [ordered[start : start + size] for start in range(0, len(ordered), size)]
        points = tuple((fmean(a for a, _ in part), fmean(t for _, t in part)) for part in parts)
        low, high = padded([value for point in points for value in point])
        return Figure(
            title=f"Calibration of {self.field}",
            told="Each point is a tenth of the held-out rows, in the order of their answers.",
            x_title=f"answered {self.field}, on average",
            low=low,
            high=high,
            panels=(
                Panel(
                    title="truth, on average",
                    low=low,
                    high=high,
                    curves=(
                        Curve(points=((low, low), (high, high)), label="right", tone="quiet"),
                        Curve(points=_rising(points), label="this run", dotted=True),
                    ),
                ),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """A classification: how sure each answer was of each class, and which was true."""

    field: str
    names: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]
    """By row and class; where an answer names a class alone, it is sure of that one."""
    true: tuple[int, ...]
    is_sure: bool
    """Answers name classes alone: there is no curve over a threshold."""

    def confusion(self) -> list[list[int]]:
        """Count rows by what was true and what was answered."""
        counts = Counter(zip(self.true, (row.index(max(row)) for row in self.shares), strict=True))
        return [[counts[true, said] for said in range(len(self.names))] for true in range(len(self.names))]

    def figures(self) -> list[Figure]:
        """Draw ROC, precision over recall, and calibration: of two classes the second, of more each beside the rest."""
        if self.is_sure:
            return []
        of = range(1, 2) if len(self.names) == 2 else range(min(len(self.names), 4))  # noqa: PLR2004  two classes
        return [self._roc(of), self._precision(of), self._calibration(of)]

    def _ranked(self, number: int) -> list[tuple[float, bool]]:
        rows = zip(self.shares, self.true, strict=True)
        return sorted(((row[number], truth == number) for row, truth in rows), key=lambda one: -one[0])

    def _roc(self, of: range) -> Figure:
        curves = []
        for tone, number in zip(_TONES, of, strict=False):
            points = _roc(self._ranked(number))
            area = sum((x - x0) * (y + y0) / 2 for (x0, y0), (x, y) in pairwise(points))
            curves.append(Curve(points=tuple(points), label=f"{self.names[number]} {area:.3f}", tone=tone))
        return _unit(f"ROC of {self.field}", "false positives (share)", "true positives (share)", curves, is_even=True)

    def _precision(self, of: range) -> Figure:
        curves = [
            Curve(points=tuple(_precision(self._ranked(number))), label=self.names[number], tone=tone)
            for tone, number in zip(_TONES, of, strict=False)
        ]
        return _unit(f"Precision and recall of {self.field}", "recall (share)", "precision (share)", curves)

    def _calibration(self, of: range) -> Figure:
        curves = [
            Curve(points=tuple(_calibration(self._ranked(number))), label=self.names[number], tone=tone, dotted=True)
            for tone, number in zip(_TONES, of, strict=False)
        ]
        return _unit(f"Calibration of {self.field}", "answered share", "true share", curves, is_even=True)


def read(evaluated: Evaluated) -> list[Numbers | Classes]:
    """Find what was answered and what was true; nothing where truths were not kept, or are of another kind."""
    routes: dict[str, list[tuple[Any, Any]]] = {}
    for exchange in evaluated.exchanges:
        if len(exchange.truths) == len(exchange.predictions):
            routes.setdefault(exchange.route, []).extend(zip(exchange.predictions, exchange.truths, strict=True))
    found = [one for rows in routes.values() if len(rows) >= _FEWEST for one in _kinds(rows)]
    return found[:4]


def _kinds(rows: Sequence[tuple[Any, Any]]) -> Iterator[Numbers | Classes]:
    truths = [truth for _, truth in rows]
    classes = sorted({str(truth) for truth in truths})
    are_numbers = all(isinstance(truth, int | float) and not isinstance(truth, bool) for truth in truths)
    for field, answers in _fields([answer for answer, _ in rows]).items():
        if all(isinstance(answer, dict) and classes_of(answer) >= set(classes) for answer in answers):
            yield _distributions(field, answers, truths)
        elif are_numbers and all(_is_number(answer) for answer in answers):
            yield Numbers(field=field, predicted=tuple(map(float, answers)), true=tuple(map(float, truths)))
        elif len(classes) <= _MOST_CLASSES and {str(answer) for answer in answers} <= set(classes):
            yield _named(field, answers, truths, classes)


def _fields(answers: Sequence[Any]) -> dict[str, list[Any]]:
    """Give the fields that all answers have; an answer that is no object is one."""
    if not all(isinstance(answer, dict) for answer in answers):
        return {"answer": list(answers)}
    shared = set.intersection(*(set(answer) for answer in answers))
    plain = {name: [answer[name] for answer in answers] for name in sorted(shared)}
    return {**plain, "answer": list(answers)} if all(map(_is_distribution, answers)) else plain


def classes_of(answer: dict[str, Any]) -> set[str]:
    """Name the classes of a distribution; nothing where an object is none."""
    return set(answer) if _is_distribution(answer) else set()


def _is_distribution(answer: dict[str, Any]) -> bool:
    return bool(answer) and all(_is_number(value) and -_ROUNDING <= value <= 1 + _ROUNDING for value in answer.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _distributions(field: str, answers: Sequence[dict[str, float]], truths: Sequence[Any]) -> Classes:
    names = tuple(sorted({name for answer in answers for name in answer}))
    return Classes(
        field=field,
        names=names,
        shares=tuple(tuple(float(answer.get(name, 0.0)) for name in names) for answer in answers),
        true=tuple(names.index(str(truth)) for truth in truths),
        is_sure=False,
    )


def _named(field: str, answers: Sequence[Any], truths: Sequence[Any], names: Sequence[str]) -> Classes:
    return Classes(
        field=field,
        names=tuple(names),
        shares=tuple(tuple(float(str(answer) == name) for name in names) for answer in answers),
        true=tuple(names.index(str(truth)) for truth in truths),
        is_sure=True,
    )


def _roc(ranked: Sequence[tuple[float, bool]]) -> list[tuple[float, float]]:
    positives = sum(is_true for _, is_true in ranked) or 1
    negatives = (len(ranked) - positives) or 1
    points, hits = [(0.0, 0.0)], 0
    for number, (share, is_true) in enumerate(ranked, start=1):
        hits += is_true
        if number == len(ranked) or ranked[number][0] != share:
            points.append(((number - hits) / negatives, hits / positives))
    return points


def _precision(ranked: Sequence[tuple[float, bool]]) -> list[tuple[float, float]]:
    positives = sum(is_true for _, is_true in ranked) or 1
    points, hits = [], 0
    for number, (share, is_true) in enumerate(ranked, start=1):
        hits += is_true
        if number == len(ranked) or ranked[number][0] != share:
            points.append((hits / positives, hits / number))
    return points


def _calibration(ranked: Sequence[tuple[float, bool]]) -> list[tuple[float, float]]:
    points = []
    for number in range(_BINS):
        part = [one for one in ranked if min(int(one[0] * _BINS), _BINS - 1) == number]
        if part:
            points.append((fmean(share for share, _ in part), fmean(is_true for _, is_true in part)))
    return points


def _rising(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    return tuple(sorted(points))


def _unit(title: str, x_title: str, y_title: str, curves: Sequence[Curve], *, is_even: bool = False) -> Figure:
    """Make a figure of shares over shares."""
    even = (Curve(points=((0.0, 0.0), (1.0, 1.0)), label="", tone="quiet"),) if is_even else ()
    return Figure(
        title=title,
        told="From the sample of held-out rows that evaluation kept.",
        x_title=x_title,
        low=0.0,
        high=1.0,
        panels=(Panel(title=y_title, low=0.0, high=1.03, curves=(*even, *curves)),),
    )
