"""What an A/B test will cost, before it starts: from the traffic and the outcomes that the incumbent has had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rung import stats
from rung.errors import CallError, ConflictError

if TYPE_CHECKING:
    from rung.lake import Lake, Measured
    from rung.schema import ABTest, RevisionName

_LOOK_BACK = timedelta(days=14)
_FEWEST = 50  # units with an outcome, before a variance is worth planning with


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many units and days a test will take, as far as traffic so far can tell."""

    units: int
    """Of both arms, for a test with one look at the end."""
    units_per_second: float
    seconds: stats.Duration
    """In seconds, not in days."""
    deadline: timedelta

    @property
    def is_hopeless(self) -> bool:
        """On average the test does not end before its deadline, whether the challenger is better or not."""
        return min(self.seconds.if_better, self.seconds.if_no_effect) > self.deadline.total_seconds()

    @property
    def told(self) -> str:
        """One sentence."""
        rate, deadline = _spell_rate(self.units_per_second), _spell(self.deadline.total_seconds())
        better, equal = _spell(self.seconds.if_better), _spell(self.seconds.if_no_effect)
        return (
            f"at {rate} the A/B test takes {better} on average if the challenger is better by just the minimum effect, "
            f"{equal} if it is not better; its deadline is {deadline}"
        )

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {
            "units": self.units,
            "units_per_second": self.units_per_second,
            "seconds_if_better": self.seconds.if_better,
            "seconds_if_no_effect": self.seconds.if_no_effect,
            "seconds_at_most": self.seconds.at_most,
        }


def plan(lake: Lake, test: ABTest, incumbent: RevisionName) -> Plan | None:
    """Plan a test against the incumbent; None while too little is known of its traffic.

    Raises:
        ConflictError: The incumbent is so good that nobody could be better by the minimum effect.
    """
    metric = test.decision
    lake.ship()
    found = _measured(lake, incumbent, "" if metric is None else metric.name)
    now = datetime.now(UTC)
    traffic = lake.traffic(incumbent.service, incumbent.major, since=now - _LOOK_BACK)
    rate = traffic.units_per_second(now)
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
    # what is counted for each unit of time gives durations in that unit
    seconds = stats.expected_duration(units, units_per_day=rate, alpha=test.alpha, power=test.power)
    return Plan(units=units, units_per_second=rate, seconds=seconds, deadline=test.deadline)


def _measured(lake: Lake, incumbent: RevisionName, metric: str) -> Measured | None:
    found = lake.business(incumbent.service, incumbent.major)
    ours = (one for one in found if (one.revision, one.metric) == (str(incumbent), metric))
    return next((one for one in ours if one.units >= _FEWEST), None)


def _spell(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _spell_rate(units_per_second: float) -> str:
    if units_per_second >= 1:
        return f"{units_per_second:,.0f} units a second"
    return f"{units_per_second * 86_400:,.0f} units a day"
