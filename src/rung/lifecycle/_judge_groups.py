"""Group metrics of the held-out rows, judged: how far groups are apart, and whether that is more than was declared.

Called by the data gate with figures of the live endpoint, and wherever the figures of a run are shown.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rung import stats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFinding:
    """One measure by the groups of one attribute."""

    attribute: str
    measure: str
    disparity: stats.Disparity
    limit: float | None
    """Declared `max_difference`, in the measure's unit; None: told, and nothing fails."""
    passed: bool
    because: str

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {**asdict(self), "too_small": list(self.disparity.too_small)}


def judge_groups(figures: Sequence[Mapping[str, Any]]) -> list[GroupFinding]:
    """Judge what `rung.testing` measured of declared sensitive attributes.

    Args:
        figures: For each attribute its `name`, `max_difference`, `groups` and `measures`.
    """
    return [_judge(attribute, measure) for attribute in figures for measure in attribute["measures"]]


def _judge(attribute: Mapping[str, Any], measure: Mapping[str, Any]) -> GroupFinding:
    disparity = _disparity(attribute["groups"], measure)
    limit = attribute["max_difference"].get(measure["name"])
    held = None if limit is None else stats.hold_to(disparity, limit=limit)
    because = _told(disparity) if held is None else held.because
    if disparity.too_small:
        because += f"; too small to compare: {', '.join(disparity.too_small)}"
    return GroupFinding(
        attribute=attribute["name"],
        measure=measure["name"],
        disparity=disparity,
        limit=limit,
        passed=held is None or held.passed,
        because=because,
    )


def _disparity(groups: Sequence[Mapping[str, Any]], measure: Mapping[str, Any]) -> stats.Disparity:
    names = [group["name"] for group in groups]
    if "shares" in measure:
        return stats.compare_shares(
            [
                stats.Share(group=name, successes=successes, trials=trials)
                for name, (successes, trials) in zip(names, measure["shares"], strict=True)
            ]
        )
    return stats.compare_scores(
        [
            stats.Score(
                group=group["name"],
                rows=group["rows"],
                value=found["value"],
                standard_error=found.get("standard_error"),
                freedom=found.get("freedom", 0),
            )
            for group, found in zip(groups, measure["scores"], strict=True)
        ]
    )


def _told(disparity: stats.Disparity) -> str:
    if disparity.difference is None or disparity.interval is None:
        return f"fewer than two groups have {stats.SMALLEST_GROUP} rows and a number: nothing is compared"
    low, high = disparity.interval
    ratio = "" if disparity.ratio is None else f", ratio {disparity.ratio:.3g}"
    return (
        f"{disparity.highest} and {disparity.lowest} are {disparity.difference:.3g} apart"
        f" (95 % interval of the largest difference {low:.3g} to {high:.3g}){ratio}"
    )
