"""How one column changed, from one profile to another. Pure; called by `compare`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from rung.data.profile import _distances
from rung.data.profile._spell import share, spell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rung.data.profile._distances import Shift
    from rung.data.profile._values import Column, Numbers, Values

__all__ = ["Change", "Pair", "What"]

What: TypeAlias = Literal[
    "rows",
    "removed",
    "added",
    "type",
    "nulls",
    "blank",
    "nan",
    "infinite",
    "new values",
    "vanished values",
    "range",
    "distribution",
    "correlation",
    "repeated",
]

_LEAST: Final = 0.03
"""Smallest distance that is told; of a normal distribution, a move by 7 % of its standard deviation."""
_OUTSIDE: Final = 20
"""Times that as many values lie outside the earlier range as chance would put there, for the range to be told."""
_FAR: Final = 3
"""Widths of the earlier range by which one value must lie beyond it, to be told whatever chance says."""
_ROWS_PER_VALUE: Final = 2
"""Of a column whose values are categories; else there are always new ones."""
_APPRECIABLE: Final = 0.1
"""Standard deviations by which a median, or part by which a standard deviation, has to change to be told."""
_EXPECTED: Final = 10
"""Times that a value should have occurred, for its absence to be told."""
_MUCH, _SOME = 0.25, 0.1
"""Population stability index from which on a distribution is said to have moved much, or somewhat."""
_SHOWN: Final = 3
"""Values that are named."""

_MEASURED_BY_LENGTH: Final = {"text", "list", "binary"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is not as it was."""

    column: str  # empty: the rows as a whole
    what: What
    size: float  # 0 to 1: a column that is gone, or a distribution that has nothing in common with what it was
    told: str  # as a sentence
    figures: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {name: getattr(self, name) for name in Change.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One column, before and after."""

    name: str
    before: Column
    after: Column
    rows: tuple[int, int]

    def changes(self) -> Iterator[Change]:
        """Give what changed."""
        yield from self._part("nulls", "null", (self.before.nulls, self.after.nulls))
        yield from self._part("blank", "blank", (self.before.blank, self.after.blank))
        was, now = self.before.values, self.after.values
        if was is not None and now is not None:
            yield from self._values(was, now)
            if was.is_complete and now.is_complete:
                return  # lengths tell nothing beside them
        before, after = self.before.numbers, self.after.numbers
        if before is not None and after is not None:
            yield from self._part("nan", "not a number", (before.nan, after.nan))
            yield from self._part("infinite", "infinite", (before.infinite, after.infinite))
            if before.finite and after.finite:
                yield from self._numbers(before, after)

    def _part(self, what: What, called: str, counts: tuple[int, int]) -> Iterator[Change]:
        """Compare how many rows are of some kind. What there was none of is told in any case."""
        rests = [rows - count for rows, count in zip(self.rows, counts, strict=True)]
        shift = _distances.categories((counts[0], rests[0]), (counts[1], rests[1]))
        is_first = not counts[0] and counts[1] > 0
        if not is_first and (shift.is_chance or shift.jensen_shannon < _LEAST):
            return
        shares = [share(count, rows) for count, rows in zip(counts, self.rows, strict=True)]
        was = "none was" if is_first else f"{shares[0]} were"
        told = f"{self.name}: {shares[1]} of the rows are {called}; {was}"
        yield self._change(what, shift.jensen_shannon, told, before=counts[0], after=counts[1])

    def _values(self, before: Values, after: Values) -> Iterator[Change]:
        counts = dict(before.common), dict(after.common)
        totals = self.rows[0] - self.before.nulls, self.rows[1] - self.after.nulls
        if before.is_complete and len(counts[0]) * _ROWS_PER_VALUE <= totals[0]:
            new = {value: count for value, count in counts[1].items() if value not in counts[0]}
            yield from self._came_or_went("new values", "that it never had", new, totals[1])
        if after.is_complete:
            gone = {
                value: count
                for value, count in counts[0].items()
                if value not in counts[1] and count * totals[1] >= _EXPECTED * totals[0]
            }
            yield from self._came_or_went("vanished values", "that it has no more", gone, totals[0])
        known = [
            value
            for value in counts[0] | counts[1]
            if (value in counts[0] or before.is_complete) and (value in counts[1] or after.is_complete)
        ]
        found = [[count.get(value, 0) for value in known] for count in counts]
        rests = [total - sum(each) for total, each in zip(totals, found, strict=True)]
        shift = _distances.categories([*found[0], rests[0]], [*found[1], rests[1]])
        if known and not shift.is_chance and shift.jensen_shannon >= _LEAST:
            yield self._moved(shift, self.name, self._largest_move(known, found, totals))

    def _came_or_went(self, what: What, which: str, counts: Mapping[str, int], total: int) -> Iterator[Change]:
        if not counts:
            return
        shown = [f"{value!r} ({share(count, total)})" for value, count in list(counts.items())[:_SHOWN]]
        rest = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
        told = f"{self.name} had values {which}: " if what == "vanished values" else f"{self.name} has values {which}: "
        size = sum(counts.values()) / total
        yield self._change(what, size, f"{told}{', '.join(shown)}{rest}", values=len(counts))

    def _largest_move(self, known: list[str], found: list[list[int]], totals: tuple[int, int]) -> str:
        def move(place: int) -> float:
            return abs(found[1][place] / totals[1] - found[0][place] / totals[0])

        most = max(range(len(known)), key=move)
        one, other = (share(counts[most], total) for counts, total in zip(found, totals, strict=True))
        return f"{known[most]!r} went from {one} to {other} of the values"

    def _numbers(self, before: Numbers, after: Numbers) -> Iterator[Change]:
        is_time = self.before.kind in {"date", "moment"}
        shift = _distances.numbers(before.bins, after.bins, deviation=before.deviation)
        if not is_time and not shift.is_chance and shift.jensen_shannon >= _LEAST:  # time goes on
            yield self._moved(shift, self._measured, self._way(before, after))
        yield from self._range(before, after, is_time=is_time)

    def _range(self, before: Numbers, after: Numbers, *, is_time: bool) -> Iterator[Change]:
        low, high, lowest, highest = before.low, before.high, after.low, after.high
        if low is None or high is None or lowest is None or highest is None:
            return
        outside = sum(one.count for one in after.bins if one.low > high or one.high < low)
        is_far = max(highest - high, low - lowest) > _FAR * (high - low) or lowest < 0 <= low
        is_often = outside > _OUTSIDE * (1 + after.finite / before.finite)
        if not (is_far or is_often or (is_time and outside)):
            return
        told = f"{self._measured} lies {self._span(lowest, highest)}; it lay {self._span(low, high)}"
        size = 0.0 if is_time else outside / after.finite  # time goes on
        yield self._change("range", size, told, low=lowest, high=highest, outside=outside)

    def _way(self, before: Numbers, after: Numbers) -> str:
        """Say what of a distribution moved."""
        median, other = before.median or 0.0, after.median or 0.0
        deviation, now = before.deviation or 0.0, after.deviation or 0.0
        if abs(other - median) > _APPRECIABLE * deviation:
            rose = "rose" if other > median else "fell"
            return f"its median {rose} from {self._spell(median)} to {self._spell(other)}"
        if abs(now - deviation) > _APPRECIABLE * deviation:
            grew = "grew" if now > deviation else "shrank"
            return f"its standard deviation {grew} from {self._spell(deviation)} to {self._spell(now)}"
        return "its shape is another one, with much the same median and spread"

    def _moved(self, shift: Shift, what: str, how: str) -> Change:
        much = "much" if shift.psi >= _MUCH else "somewhat" if shift.psi >= _SOME else "a little"
        told = f"{what} moved {much}: {how} (Jensen-Shannon distance {shift.jensen_shannon:.2f})"
        figures = {name: getattr(shift, name) for name in ("jensen_shannon", "psi", "ks", "wasserstein")}
        return self._change("distribution", min(shift.jensen_shannon, 1.0), told, **figures)

    @property
    def _measured(self) -> str:
        """Say what the numbers are: of texts, lists and bytes, lengths."""
        return f"the length of {self.name}" if self.before.kind in _MEASURED_BY_LENGTH else self.name

    def _span(self, low: float, high: float) -> str:
        return f"from {self._spell(low)} to {self._spell(high)}" if low < high else f"at {self._spell(low)}"

    def _spell(self, value: float) -> str:
        return spell(value, "number" if self.before.kind in _MEASURED_BY_LENGTH else self.before.kind)

    def _change(self, what: What, size: float, told: str, **figures: float) -> Change:
        return Change(column=self.name, what=what, size=size, told=told, figures=figures)
