"""How the columns of production moved: evidence within a stated rate of false alarms, sizes, sentences. Pure.

An alarm takes both: chance alone would do it less often than the rate allows, and it is large enough to matter. Of many
requests everything is significant; of few everything looks large. Days and moments are left out: time goes on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from rung.data.profile import compare
from rung.data.profile._distances import Shift, categories, numbers
from rung.monitoring._finding import Finding, Kind
from rung.stats import FalseAlarms, alarms, chance_of_counts, chance_of_distance, discoveries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rung.data.profile import Column, Numbers, Profile, Values

__all__ = ["Drift", "Limits", "Segment", "drifts", "findings_of", "segments"]

_TIMES: Final = {"date", "moment"}
_QUARTERS: Final = (2, 3, 4)
"""Places of the quartiles among the quantiles that are kept."""
_MISSING: Final = "missing"
_KINDS: Final[dict[str, Kind]] = {"outcome": "errors", "duration_ms": "latency"}
"""What columns of requests tell; all others are of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When something is worth an alarm."""

    false_alarms: FalseAlarms = field(default_factory=FalseAlarms)
    least: float = 0.1  # distance of distributions, 0 to 1: a normal one moves so far by a quarter of its deviation
    moved: float = 0.05  # of what is named as moved, the share that may not have

    @property
    def alpha(self) -> float:
        """Probability of a false alarm about drift at one look; as much again is for quality."""
        return self.false_alarms.alpha / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One column, before and now."""

    column: str  # as `instance.rooms`
    against: str  # `training` or `before`
    shift: Shift  # how far it moved, by several measures
    p: float  # probability that chance alone moves it so far
    counts: tuple[int, int]  # values before and now
    is_alarm: bool = False
    has_moved: bool = False  # probably, whether it matters or not

    @property
    def size(self) -> float:
        """The largest of its distances, 0 to 1."""
        return max(self.shift.ks, min(self.shift.jensen_shannon, 1.0))

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        plain = {name: getattr(self, name) for name in Drift.__slots__}
        return plain | {"shift": asdict(self.shift), "counts": list(self.counts), "size": self.size}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of the rows, by one column."""

    column: str
    name: str  # `garage is none`, `rooms below 5`
    before: float  # share of the rows, 0 to 1
    now: float
    p: float

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {name: getattr(self, name) for name in Segment.__slots__}


def drifts(
    references: Mapping[str, tuple[Profile, float]], now: tuple[Profile, float], *, limits: Limits | None = None
) -> list[Drift]:
    """Hold the columns of production against one or several references, as one look.

    Args:
        references: By name, statistics and how many independent rows they stand for: those of a training, or the
            requests of a week.
        now: The same of the time that is looked at.
        limits: The rate of false alarms over all columns and references together, and the least that matters.

    Returns:
        A drift for each column and reference, the largest first.
    """
    limits = limits or Limits()
    found = [
        drift for name, reference in references.items() for drift in _compared(name, reference, now)
    ]  # before any is judged: the rate is of all of them
    chances = [drift.p for drift in found]
    raised = alarms(chances, limits.alpha)
    moved = discoveries(chances, limits.moved)
    judged = [
        Drift(
            column=one.column,
            against=one.against,
            shift=one.shift,
            p=one.p,
            counts=one.counts,
            is_alarm=is_raised and one.size >= limits.least,
            has_moved=has_moved,
        )
        for one, is_raised, has_moved in zip(found, raised, moved, strict=True)
    ]
    return sorted(judged, key=lambda drift: -drift.size)


def findings_of(found: Iterable[Drift], before: Mapping[str, Profile], now: Profile) -> list[Finding]:
    """Say in sentences what probably moved."""
    told = {
        (against, change.column): change.told
        for against, profile in before.items()
        for change in compare(profile, now)
        if change.what in {"distribution", "nulls"}
    }
    return [
        Finding(
            kind=_KINDS.get(drift.column, "drift"),
            subject=drift.column,
            against=drift.against,
            size=drift.size,
            p=drift.p,
            is_alarm=drift.is_alarm,
            because=told.get((drift.against, drift.column.removesuffix(f" {_MISSING}")), _told(drift)),
            data={**asdict(drift.shift), "before": drift.counts[0], "now": drift.counts[1]},
        )
        for drift in found
        if drift.has_moved or drift.is_alarm
    ]


def segments(before: Profile, now: Profile, *, independent: tuple[float, float], most: int = 8) -> list[Segment]:
    """Name the parts of the rows whose shares moved most, of those that chance did not move.

    Args:
        before: Statistics of the reference.
        now: Of the time that is looked at.
        independent: How many independent rows they stand for.
        most: How many are named.
    """
    found = [
        Segment(column=name, name=f"{_short(name)} {part}", before=was / totals[0], now=is_ / totals[1], p=chance)
        for name, parts, totals in _parted(before, now)
        for part, (was, is_) in parts.items()
        for chance in [chance_of_counts([was, totals[0] - was], [is_, totals[1] - is_], independent=independent)]
    ]
    certain = discoveries([one.p for one in found], 0.01)
    moved = [one for one, is_moved in zip(found, certain, strict=True) if is_moved]
    return sorted(moved, key=lambda one: -abs(one.now - one.before))[:most]


def _compared(name: str, reference: tuple[Profile, float], now: tuple[Profile, float]) -> Iterator[Drift]:
    (before, rows), (after, requests) = reference, now
    independent = rows, requests
    for column, was in before.columns.items():
        is_ = after.columns.get(column)
        if is_ is None or is_.kind != was.kind or was.kind in {*_TIMES, "other"} or not (before.rows and after.rows):
            continue
        yield from _missing(name, column, ((before.rows, was), (after.rows, is_)), independent)
        found = _moved(was, is_, after.rows, independent)
        if found is not None:
            shift, p, counts = found
            yield Drift(column=column, against=name, shift=shift, p=p, counts=counts)


def _missing(
    name: str, column: str, parts: tuple[tuple[int, Column], tuple[int, Column]], independent: tuple[float, float]
) -> Iterator[Drift]:
    """Compare how often a column has no value, where it ever has none."""
    one, other = ([part.nulls, rows - part.nulls] for rows, part in parts)
    if one[0] or other[0]:
        p = chance_of_counts(one, other, independent=independent)
        yield Drift(
            column=f"{column} {_MISSING}",
            against=name,
            shift=categories(one, other),
            p=p,
            counts=(sum(one), sum(other)),
        )


def _moved(
    was: Column, is_: Column, rows: int, independent: tuple[float, float]
) -> tuple[Shift, float, tuple[int, int]] | None:
    if was.values is not None and is_.values is not None and was.values.is_complete:
        total = sum(count for _, count in is_.values.common) if is_.values.is_complete else rows - is_.nulls
        one, other = _counted(was.values, is_.values, total)
        return categories(one, other), chance_of_counts(one, other, independent=independent), (sum(one), sum(other))
    if was.numbers is None or is_.numbers is None or not (was.numbers.finite and is_.numbers.finite):
        return None
    shift = numbers(was.numbers.bins, is_.numbers.bins, deviation=was.numbers.deviation)
    sizes = was.numbers.finite, is_.numbers.finite
    alone = [min(size, there) for size, there in zip(sizes, independent, strict=True)]
    return shift, chance_of_distance(min(shift.ks, 1.0), *alone), sizes


def _counted(was: Values, is_: Values, total: int) -> tuple[list[int], list[int]]:
    """Count the values that were known before; the last count is of all others."""
    counts = dict(is_.common)
    found = [counts.get(value, 0) for value, _ in was.common]
    return [*(count for _, count in was.common), 0], [*found, total - sum(found)]


def _parted(before: Profile, now: Profile) -> Iterator[tuple[str, dict[str, tuple[float, float]], tuple[float, float]]]:
    """Cut the rows into parts by each column: its values, or the quarters of the reference."""
    for name, was in before.columns.items():
        is_ = now.columns.get(name)
        if is_ is None or is_.kind != was.kind or not name.startswith("instance"):
            continue
        if was.values is not None and is_.values is not None and was.values.is_complete and is_.values.is_complete:
            counts, others = dict(was.values.common), dict(is_.values.common)
            values = {
                f"is {value}": (float(counts.get(value, 0)), float(others.get(value, 0))) for value in counts | others
            }
            yield name, values, (float(sum(counts.values()) or 1), float(sum(others.values()) or 1))
        elif was.kind not in _TIMES and was.numbers is not None and is_.numbers is not None and was.numbers.quantiles:
            yield name, _quarters(was.numbers, is_.numbers), (was.numbers.finite or 1, is_.numbers.finite or 1)


def _quarters(was: Numbers, is_: Numbers) -> dict[str, tuple[float, float]]:
    edges = sorted({was.quantiles[place] for place in _QUARTERS})
    below = [[_below(part, edge) for edge in edges] for part in (was, is_)]
    names = [f"below {edges[0]:.4g}"]
    names += [f"from {low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    names.append(f"from {edges[-1]:.4g}")
    parts = [
        [high - low for low, high in zip([0.0, *sums], [*sums, float(part.finite)], strict=True)]
        for sums, part in zip(below, (was, is_), strict=True)
    ]
    return dict(zip(names, zip(*parts, strict=True), strict=True))


def _below(part: Numbers, edge: float) -> float:
    """Count the numbers below an edge; those of a bin lie evenly spread in it."""
    total = 0.0
    for one in part.bins:
        if one.high <= edge and one.low < edge:
            total += one.count
        elif one.low < edge:
            total += one.count * (edge - one.low) / (one.high - one.low)
    return total


def _short(column: str) -> str:
    return column.partition(".")[2] or column


def _told(drift: Drift) -> str:
    shift = drift.shift
    return (
        f"{drift.column} moved: distance {drift.size:.2f}, stability index {shift.psi:.2f}"
        f" ({drift.counts[1]:,} values against {drift.counts[0]:,})"
    )
