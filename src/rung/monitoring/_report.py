"""What watching tells of one route of one revision, as a value with a form in JSON. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rung.data.profile import Profile
    from rung.monitoring._drift import Drift, Segment
    from rung.monitoring._finding import Finding
    from rung.monitoring._quality import Measured
    from rung.stats import Estimate

__all__ = ["Estimated", "Report", "Traffic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The requests of an hour, or of a longer time."""

    begin: datetime
    requests: int
    refused: int  # answered with 4xx
    failed: int  # answered with 5xx
    rows: int  # instances that were answered
    latency_ms: Mapping[str, float]  # by `p50`, `p95`, `p99`; empty without requests

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        plain = {name: getattr(self, name) for name in Traffic.__slots__}
        return plain | {"begin": self.begin.isoformat(), "latency_ms": dict(self.latency_ms)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """Quality before any truth has come."""

    metric: str
    estimate: Estimate
    held_out: float  # mean of the held-out rows, where the truth is known
    measured: float | None  # of the same time, once outcomes have come

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        found = self.estimate
        return {
            "metric": self.metric,
            "value": found.value,
            "interval": list(found.interval),
            "rows": found.rows,
            "holds": found.holds,
            "because": found.because,
            "held_out": self.held_out,
            "measured": self.measured,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One route of one revision within a time."""

    revision: str
    route: str
    since: datetime
    until: datetime
    whole: Traffic
    hours: tuple[Traffic, ...]  # by the hour; what is older than two days by the day
    references: Mapping[str, str]  # what it was held against, and what that is: `training`, `before`
    drifts: tuple[Drift, ...]
    segments: Mapping[str, tuple[Segment, ...]]  # by reference
    measured: tuple[Measured, ...]  # of the whole time
    daily: tuple[Measured, ...]
    estimated: Estimated | None
    findings: tuple[Finding, ...]  # alarms first, then by size
    now: Profile
    before: Mapping[str, Profile]  # by reference

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The findings that are worth an alarm."""
        return tuple(found for found in self.findings if found.is_alarm)

    @property
    def rate(self) -> float:
        """Requests a second, over the whole time."""
        seconds = (self.until - self.since).total_seconds()
        return self.whole.requests / seconds if seconds > 0 else math.nan

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data; the statistics themselves are left out."""
        return {
            "revision": self.revision,
            "route": self.route,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "traffic": self.whole.to_json(),
            "hours": [one.to_json() for one in self.hours],
            "references": dict(self.references),
            "drifts": [one.to_json() for one in self.drifts],
            "segments": {name: [one.to_json() for one in found] for name, found in self.segments.items()},
            "measured": [one.to_json() for one in self.measured],
            "daily": [one.to_json() for one in self.daily],
            "estimated": self.estimated and self.estimated.to_json(),
            "findings": [one.to_json() for one in self.findings],
        }
