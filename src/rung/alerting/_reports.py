"""Rules about reports of production: findings -> sightings; and at which rate looks may cry wolf."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rung.alerting._sighting import SEVERITIES, Sighting
from rung.schema import RevisionName
from rung.stats import FalseAlarms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.monitoring import Finding, Report
    from rung.settings import Alerts, Rules

__all__ = ["WINDOWS", "Window", "judge_report"]

_LASTING: Final = 0.7
"""Part of the distance that opened an alert about drift, from which on it goes on."""
_QUALITY: Final = {"quality", "estimate"}
_FEWEST: Final = 5
"""Requests that failed, before their share says anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time that is looked at again and again."""

    name: str  # scope of its sightings
    length: timedelta  # at the most
    enough: int | None  # requests after which it is not looked further back
    every: timedelta | None  # None: at each look

    def false_alarms(self, alerts: Alerts) -> FalseAlarms:
        """Give its share of the rate that is kept: the windows have equal ones, and each look of one the same.

        The expected number of looks with a false alarm is the sum over all looks, however they overlap.
        """
        every_s = alerts.look_every_s if self.every is None else max(self.every.total_seconds(), alerts.look_every_s)
        return FalseAlarms(a_year=alerts.false_alarms_a_year / len(WINDOWS), every_s=every_s)


WINDOWS: Final = (
    Window(name="recent", length=timedelta(days=1), enough=500, every=None),
    Window(name="day", length=timedelta(days=1), enough=None, every=timedelta(hours=1)),
)
"""What is new is found in the newest requests, what is small or rare in the last day."""


def judge_report(report: Report, window: Window, rules: Rules, *, alpha: float) -> list[Sighting]:
    """Say what of a report is worth an alert, or keeps one open.

    Args:
        report: Of one route of one revision, made at the window's rate of false alarms.
        window: That it is of.
        rules: Of its service.
        alpha: Probability of a false alarm about the share of errors.
    """
    found = [
        _sighting(finding, report, window, opens=finding.is_alarm)
        for finding in report.findings
        if finding.is_alarm or _lasts(finding, rules)
    ]
    found += _too_many_errors(report, window, rules, alpha=alpha)
    return [one for one in found if one.kind not in rules.off]


def _lasts(finding: Finding, rules: Rules) -> bool:
    """Tell whether what is no alarm keeps one open: it is still there, and nearly as large as it must be."""
    if finding.kind == "drift":
        return finding.size >= _LASTING * rules.least_drift
    return False


def _sighting(finding: Finding, report: Report, window: Window, *, opens: bool) -> Sighting:
    name = RevisionName.parse(report.revision)
    return Sighting(
        kind=finding.kind,
        subject=finding.subject,
        service=name.service,
        major=name.major,
        minor=name.minor,
        against=finding.against,
        severity=SEVERITIES[finding.kind],
        because=finding.because,
        data={**finding.data, "size": finding.size, "p": finding.p, "route": report.route},
        scope=window.name,
        opens=opens,
    )


def _too_many_errors(report: Report, window: Window, rules: Rules, *, alpha: float) -> Iterator[Sighting]:
    """Hold the share of requests that failed against the largest one that is allowed."""
    name, failed, requests = RevisionName.parse(report.revision), report.whole.failed, report.whole.requests
    if failed < _FEWEST or _chance_of_many(failed, requests, rules.error_rate) > alpha:
        return
    yield Sighting(
        kind="errors",
        subject="outcome",
        service=name.service,
        major=name.major,
        minor=name.minor,
        against="limit",
        severity=SEVERITIES["errors"],
        because=f"{failed:,} of {requests:,} requests failed since {report.since:%H:%M} UTC; more than "
        f"{rules.error_rate:.2%} are too many",
        data={"failed": failed, "requests": requests, "route": report.route},
        scope=window.name,
    )


def _chance_of_many(count: int, of: int, share: float) -> float:
    """Bound the probability of so many, where each has this probability: Chernoff's bound for the binomial.

    >>> _chance_of_many(5, 100, 0.05), _chance_of_many(10, 10, 0.05) < 1e-12
    (1.0, True)
    """
    seen = count / of if of else 0.0
    if seen <= share:
        return 1.0
    apart = seen * math.log(seen / share) + ((1 - seen) * math.log((1 - seen) / (1 - share)) if seen < 1 else 0.0)
    return math.exp(-of * apart)
