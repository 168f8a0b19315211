"""What analyses of a service's own record start from: outcomes per unit, and rewards with their propensities.

The figures are made by who asked (`rung simulate-ab`, `rung offpolicy`): nothing is computed here that takes long.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from rung.control.api.parameters import Major, ServiceName  # noqa: TC001  FastAPI resolves them at run time
from rung.control.promotion.papers import read_ab_test
from rung.errors import ConflictError, NotFoundError
from rung.schema import ABTest

if TYPE_CHECKING:
    from fastapi import APIRouter

    from rung.control._platform import Platform
    from rung.schema import BusinessMetric

_MOST = 200_000  # units, or rows, in one answer
_FEWEST = 100  # units with an outcome, of which it is worth drawing
_LOOK_BACK = timedelta(days=28)
_DAY_S = 86_400.0


def add_analysis(router: APIRouter, platform: Platform) -> None:
    """Add the routes of analyses to the API."""

    @router.get("/majors/{service}/{major}/units")
    def units(service: ServiceName, major: Major, metric: str | None = None) -> dict[str, Any]:
        """Give the newest units of a major with their outcomes, and the A/B test that it declares."""
        return units_of(platform, service, major, metric)

    @router.get("/majors/{service}/{major}/rewards")
    def rewards(service: ServiceName, major: Major) -> dict[str, Any]:
        """Give the rewards of the newest A/B test or bandit of a major, each with arm and propensity."""
        return rewards_of(platform, service, major)


def units_of(platform: Platform, service: str, major: int, metric: str | None) -> dict[str, Any]:
    """Give the outcomes of the units that production answered in the last weeks, at most 200,000.

    A unit counts once: with the mean of its outcomes, for a ratio with their sum and their number.

    Raises:
        NotFoundError: There is no such metric.
        ConflictError: The major has no incumbent, or too few units have an outcome.
    """
    test = _declared(platform, service, major)
    wanted = _metric(test, metric, f"{service}.v{major}")
    platform.lake.ship()
    since = datetime.now(UTC) - _LOOK_BACK
    rows = platform.lake.units(service, major, metric=wanted.name, since=since, most=_MOST)
    if rows.height < _FEWEST:
        raise ConflictError(
            f"{rows.height} units of {service}.v{major} have an outcome of {wanted.name}, and {_FEWEST} are needed",
            hint="consumers POST outcomes to /outcomes at the gateway",
        )
    is_ratio = wanted.kind == "ratio"
    passed_s = max((datetime.now(UTC) - rows.select("first").min().item()).total_seconds(), 1.0)
    return {
        "name": f"{service}.v{major}",
        "metric": wanted.name,
        "kind": wanted.kind,
        "goal": wanted.goal,
        "values": rows["total" if is_ratio else "mean"].to_list(),
        "denominators": rows["outcomes"].cast(pl.Float64).to_list() if is_ratio else None,
        "units_per_day": rows.height / passed_s * _DAY_S,
        "share": test.share,
        "alpha": test.alpha,
        "power": test.power,
        "minimum_effect": wanted.minimum_effect,
        "deadline_s": test.deadline.total_seconds(),
    }


def rewards_of(platform: Platform, service: str, major: int) -> dict[str, Any]:
    """Give the rewards of the newest A/B test or bandit, at most the newest 200,000; arms by their minor, as `m2`.

    Raises:
        NotFoundError: There has been none.
    """
    experiment = platform.promotions.experiments.newest(service, major)
    metric = _metric(ABTest.model_validate(experiment.design), None, f"{service}.v{major}")
    platform.lake.ship()
    rows = platform.lake.rewards(experiment.id, metric=metric.name, since=experiment.started)
    known = rows.filter(pl.col("propensity").is_not_null()).tail(_MOST)
    roles = {"challenger": f"m{experiment.challenger.minor}", "incumbent": f"m{experiment.incumbent.minor}"}
    arms = known["arm"].replace(roles)
    return {
        "id": experiment.id,
        "bandit": experiment.is_bandit,
        "metric": metric.name,
        "kind": metric.kind,
        "goal": metric.goal,
        "incumbent": roles["incumbent"],
        "arms": arms.to_list(),
        "units": known["unit"].rank("dense").to_list(),
        "propensities": known["propensity"].to_list(),
        "rewards": known["reward"].to_list(),
        "without_propensity": rows.height - rows["propensity"].count(),
    }


def _declared(platform: Platform, service: str, major: int) -> ABTest:
    incumbent = platform.registry.incumbent(service, major)
    if incumbent is None:
        raise ConflictError(
            f"{service}.v{major} has no incumbent, so nothing of its production is on record",
            hint="`rung promote` makes one",
        )
    return read_ab_test(platform.place, incumbent)


def _metric(test: ABTest, name: str | None, owner: str) -> BusinessMetric:
    """Give a metric of a test by its name; without one, the metric that decides."""
    found = test.decision if name is None else next((one for one in test.metrics if one.name == name), None)
    if found is None:
        names = ", ".join(metric.name for metric in test.metrics) or "none"
        raise NotFoundError(f"{owner} declares no business metric {name or 'that decides'!r}", hint=f"it has {names}")
    return found
