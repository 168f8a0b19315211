"""What a column holds at all: new values, ranges that it left, types; and training that went out of date. Pure.

No matter of sizes or of chance: one request may show that a producer changed its units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rung.data.profile import compare
from rung.monitoring._finding import Finding

if TYPE_CHECKING:
    from rung.data.profile import Change, Column, Profile

__all__ = ["integrity"]

_KINDS: Final = {
    *("removed", "added", "type", "nulls", "blank", "nan", "infinite"),
    *("new values", "vanished values", "range"),
}
_BEYOND: Final = 0.1
"""Share of rows beyond the range of a column that is an alarm."""
_OLD: Final = 0.25
"""Part of the span of training's days by which production is ahead of them that is an alarm."""
_DAY: Final = {"date": 1.0, "moment": 86_400.0}
"""Of columns of times, in their own unit."""
_LEAST_DAYS: Final = 30.0
"""No training is out of date before."""


def integrity(before: Profile, now: Profile, *, against: str) -> list[Finding]:
    """Name what is in the columns that never was, or is not any more.

    Alarms are columns that are gone, have another type, or lie beyond their range in a tenth of the rows; and days and
    moments that are ahead of all that was trained on by a quarter of its span, and by a month.

    Args:
        before: Statistics of the reference.
        now: Of the time that is looked at.
        against: What the reference is: `training` or `before`.
    """
    return [
        _finding(change, against, ahead=_ahead(before.columns[change.column], now.columns[change.column]))
        if change.what == "range" and before.columns[change.column].kind in _DAY
        else _finding(change, against)
        for change in compare(before, now)
        if change.what in _KINDS
    ]


def _finding(change: Change, against: str, *, ahead: float = 0.0) -> Finding:
    is_beyond = change.what == "range" and change.size >= _BEYOND
    is_old = against == "training" and ahead >= _OLD
    return Finding(
        kind="integrity",
        subject=change.column,
        against=against,
        size=max(change.size, min(ahead, 1.0)),
        p=None,
        is_alarm=change.what in {"removed", "type"} or is_beyond or is_old,
        because=f"{change.told}: what was trained on is out of date" if is_old else change.told,
        data={"what": change.what, **change.figures},
    )


def _ahead(before: Column, now: Column) -> float:
    """Tell by which part of its earlier span the middle of a column of times is ahead of its end."""
    was, is_ = before.numbers, now.numbers
    if was is None or is_ is None or was.low is None or was.high is None or is_.median is None:
        return 0.0
    ahead = is_.median - was.high
    return ahead / max(was.high - was.low, 1.0) if ahead >= _LEAST_DAYS * _DAY[before.kind] else 0.0
