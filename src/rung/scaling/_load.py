"""What was measured of a revision's replicas, and the averages that a decision goes by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from rung.errors import CallError

STABLE_S = 30.0
"""What is usual is an average over so many seconds."""
SUDDEN_S = 3.0
"""What is sudden is an average over so many."""
STALE_S = 5.0
"""A measurement that is older says nothing of now."""
LEAST_SAMPLES = 3
"""Fewer measurements among the recent ones are no average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was measured at one moment, over all replicas of one revision.

    The shell takes one every 0.5 s. Of Envoy's statistics of the revision's cluster, summed over the gateways:
    `in_flight` is `upstream_rq_active`, `arrived` how far `upstream_rq_total` went on since the sample before, without
    which a revision that answers at once would seem idle. A sample that could not be taken whole is left out; it is
    never made up.

    Raises:
        CallError: A number is negative or not finite.
    """

    at: float  # seconds, of a clock that only goes forward
    in_flight: float  # requests that the replicas have and have not answered
    arrived: float  # requests that came since the sample before
    ready: int  # replicas that answer
    waiting: float = 0.0  # requests that are held in front because no replica is ready, or all are full
    cpu: float | None = None  # in use, in replicas: 1.5 are the declared vCPUs of one and half of those of another

    def __post_init__(self) -> None:
        for name in ("at", "in_flight", "arrived", "ready", "waiting", "cpu"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and (value >= 0 or name == "at")):
                raise CallError(
                    f"{name} of a sample is {value}", hint="measure it as a number from 0, or leave the sample out"
                )

    @property
    def demand(self) -> float:
        """Requests that somebody waits for."""
        return self.in_flight + self.waiting

    @property
    def is_idle(self) -> bool:
        """Whether nobody asked, and nobody waits."""
        return not (self.demand or self.arrived)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The samples of the last while.

    Raises:
        CallError: They are not in the order of their times.

    >>> load = Load().plus(Sample(at=0.0, in_flight=4, arrived=9, ready=1))
    >>> load.plus(Sample(at=0.5, in_flight=8, arrived=12, ready=1)).demand(now=1.0, over_s=3.0)
    6.0
    """

    samples: tuple[Sample, ...] = ()  # oldest first

    def __post_init__(self) -> None:
        for before, after in pairwise(self.samples):
            if after.at <= before.at:
                raise CallError(
                    f"a sample of {after.at:g} s follows one of {before.at:g} s",
                    hint="take the time from a clock that only goes forward, and begin anew when it is another one",
                )

    def plus(self, sample: Sample) -> Load:
        """Add the newest sample, and forget what no decision looks at any more."""
        kept = tuple(one for one in self.samples if one.at > sample.at - STABLE_S)
        return Load(samples=(*kept, sample))

    def since(self, start: float, now: float) -> list[Sample]:
        """Give the samples of a time, the later end included."""
        return [one for one in self.samples if start < one.at <= now]

    def covers(self, seconds: float, *, now: float) -> bool:
        """Tell whether the samples that count tell of so long a time."""
        found = self.since(now - STABLE_S, now)
        return bool(found) and found[-1].at - found[0].at >= seconds

    def demand(self, *, now: float, over_s: float) -> float | None:
        """Average the requests that somebody waits for; None: nothing was measured."""
        found = [one.demand for one in self.since(now - over_s, now)]
        return sum(found) / len(found) if found else None

    def cpu(self, *, now: float, over_s: float) -> float | None:
        """Average the CPU in use, in replicas; None: it was not measured."""
        found = [one.cpu for one in self.since(now - over_s, now) if one.cpu is not None]
        return sum(found) / len(found) if found else None
