"""What an A/B test will cost, before it starts: from the traffic and the outcomes that the incumbent has had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from rung import stats
from rung.errors import CallError, ConflictError

if TYPE_CHECKING:
    from rung.lake import Lake, Measured
    from rung.schema import ABTest, RevisionName

_LOOK_BACK = timedelta(days=14)
_FEWEST = 50  # units with an outcome, before a variance is worth planning with
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many units and days a test will take, as far as traffic so far can tell."""

    units: int
    """Of both arms, for a test with one look at the end."""
    units_per_day: float
    days: stats.Duration
    deadline_days: float

    @property
    def is_hopeless(self) -> bool:
        """On average the test does not end before its deadline, whether the challenger is better or not."""
        return min(self.days.if_better, self.days.if_no_effect) > self.deadline_days

    @property
    def told(self) -> str:
        """One sentence."""
        return (
            f"{self.units_per_day:,.0f} units a day: the A/B test takes {_days(self.days.if_better)} on average if the "
            f"challenger is better by just the minimum effect, {_days(self.days.if_no_effect)} if it is not better"
        )

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {
            "units": self.units,
            "units_per_day": self.units_per_day,
            "days_if_better": self.days.if_better,
            "days_if_no_effect": self.days.if_no_effect,
            "days_at_most": self.days.at_most,
        }


def plan(lake: Lake, test: ABTest, incumbent: RevisionName) -> Plan | None:
    """Plan a test against the incumbent; None while too little is known of its traffic.

    Raises:
        ConflictError: The incumbent is so good that nobody could be better by the minimum effect.
    """
    metric = test.decision
    lake.ship()
    found = _measured(lake, incumbent, "" if metric is None else metric.name)
    rate = _units_per_day(lake, incumbent)
    if metric is None or found is None or not found.standard_error or not rate:
        return None
    try:
        units = stats.required_units(
            kind=metric.kind,
            minimum_effect=metric.minimum_effect,
            baseline=found.mean if metric.kind == "proportion" else None,
            variance=None if metric.kind == "proportion" else found.standard_error**2 * found.units,
            goal=metric.goal,
            alpha=test.alpha,
            power=test.power,
            share=test.share,
        )
    except CallError as error:
        raise ConflictError(
            f"no challenger of {incumbent} can be better by {metric.minimum_effect:g}: {error.message}",
            hint="declare a smaller minimum_effect, or `--ignore-plan`",
        ) from error
    days = stats.expected_duration(units, units_per_day=rate, alpha=test.alpha, power=test.power)
    return Plan(units=units, units_per_day=rate, days=days, deadline_days=test.deadline.total_seconds() / _DAY_S)


def _measured(lake: Lake, incumbent: RevisionName, metric: str) -> Measured | None:
    found = lake.business(incumbent.service, incumbent.major)
    ours = (one for one in found if (one.revision, one.metric) == (str(incumbent), metric))
    return next((one for one in ours if one.units >= _FEWEST), None)


def _units_per_day(lake: Lake, incumbent: RevisionName) -> float:
    """Count distinct units of the major's production, since the first one in the last days."""
    now = datetime.now(UTC)
    since = now - _LOOK_BACK
    rows = lake.predictions().filter(
        pl.col("service") == incumbent.service,
        pl.col("date") >= since.date(),
        pl.col("time") >= since,
        pl.col("major") == incumbent.major,
        pl.col("kind") == "production",
        pl.col("unit_key").is_not_null(),
    )
    units, first = rows.select(pl.col("unit_key").n_unique(), pl.col("time").min()).collect(engine="streaming").row(0)
    return units / max((now - first).total_seconds(), 1.0) * _DAY_S if units else 0.0


def _days(days: float) -> str:
    return f"{days:.1f} days" if days >= 1 else f"{days * 24:.1f} hours"
