"""What changed from one profile to another, the largest first: between versions, or from training to production. Pure.

Ranked by size, never by significance: of many rows everything is significant. What two samples of the same data would
show is left out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from rung.data.profile._change import Change, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.data.profile._values import Profile

__all__ = ["compare", "headline"]

_LEAST_CORRELATION: Final = 0.1
_CERTAIN: Final = 4.0
"""Standard errors from which on a difference of correlations is not chance."""
_MOST_CERTAIN: Final = 0.99999
"""Largest correlation whose Fisher transform is used."""
_CORRELATED_ROWS: Final = 100_000
"""Rows at least that a correlation of more of them was measured on."""


def compare(before: Profile, after: Profile) -> list[Change]:
    """Tell what changed, the largest change first.

    Args:
        before: Of the earlier version, or of what a model was trained on.
        after: Of the later version, or of what production sends.
    """
    changes = [*_rows(before, after), *_schema(before, after)]
    for name, column in before.columns.items():
        other = after.columns.get(name)
        is_same = other is not None and (other.kind == column.kind or other.nulls == after.rows)
        if other is not None and is_same and before.rows and after.rows:
            changes += Pair(name=name, before=column, after=other, rows=(before.rows, after.rows)).changes()
    changes += _correlations(before, after)
    return sorted(changes, key=lambda change: -change.size)


def headline(changes: list[Change]) -> str:
    """Say in a sentence what changed most.

    >>> headline([])
    'nothing changed beyond chance'
    """
    if not changes:
        return "nothing changed beyond chance"
    rest = len(changes) - 1
    return changes[0].told + (f"; {rest} smaller change{'s' if rest > 1 else ''}" if rest else "")


def _rows(before: Profile, after: Profile) -> Iterator[Change]:
    if before.rows and not after.rows:
        yield Change(column="", what="rows", size=1.0, told=f"there are no rows; there were {before.rows:,}")
    if after.repeated and before.repeated == 0:
        told = f"{after.repeated:,} rows have a key ({', '.join(after.key)}) that an earlier row has; there were none"
        yield Change(column="", what="repeated", size=after.repeated / after.rows, told=told)


def _schema(before: Profile, after: Profile) -> Iterator[Change]:
    for name, column in before.columns.items():
        other = after.columns.get(name)
        if other is None:
            yield Change(column=name, what="removed", size=1.0, told=f"{name} is gone; it held {column.dtype}")
        elif other.dtype not in {column.dtype, "Null"}:
            told = f"{name} holds {other.dtype}; it held {column.dtype}"
            yield Change(column=name, what="type", size=0.5 if other.kind == column.kind else 1.0, told=told)
    for name, column in after.columns.items():
        if name not in before.columns:
            yield Change(column=name, what="added", size=0.5, told=f"{name} is new; it holds {column.dtype}")


def _correlations(before: Profile, after: Profile) -> Iterator[Change]:
    rows = [min(part.rows, _CORRELATED_ROWS) - 3 for part in (before, after)]
    if min(rows) <= 0:
        return
    error = math.sqrt(1 / rows[0] + 1 / rows[1])
    now = {(pair.one, pair.other): pair.r for pair in after.correlations}
    for pair in before.correlations:
        r = now.get((pair.one, pair.other), pair.r)
        if abs(r - pair.r) >= _LEAST_CORRELATION and abs(_fisher(r) - _fisher(pair.r)) > _CERTAIN * error:
            told = f"{pair.one} and {pair.other} are correlated by {r:.2f}; they were by {pair.r:.2f}"
            figures = {"before": pair.r, "after": r}
            yield Change(column=pair.one, what="correlation", size=abs(r - pair.r) / 2, told=told, figures=figures)


def _fisher(r: float) -> float:
    return math.atanh(max(-_MOST_CERTAIN, min(r, _MOST_CERTAIN)))
