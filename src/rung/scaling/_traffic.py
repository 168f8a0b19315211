"""Traffic over time, recorded or made up, for simulations."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SPIKE_S = 20
_BURST_S = 10
_SLOWEST = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests per second, second by second.

    Raises:
        CallError: There is not one second, or a rate is negative or not finite.
    """

    name: str
    rates: tuple[float, ...]  # requests per second, one a second
    slower: tuple[float, ...] = field(default=())  # factors on the service time, one a second; none: all 1

    def __post_init__(self) -> None:
        if not self.rates or not all(math.isfinite(rate) and rate >= 0 for rate in self.rates):
            raise CallError(
                f"traffic {self.name!r} has no second, or one with a rate that is no number from 0",
                hint="give requests per second, one number a second",
            )
        if self.slower and len(self.slower) != len(self.rates):
            raise CallError(
                f"traffic {self.name!r} has {len(self.rates)} rates and {len(self.slower)} factors",
                hint="give a factor for each second, or none",
            )

    @classmethod
    def recorded(cls, name: str, seconds: Iterable[tuple[float, float]]) -> Traffic:
        """Make traffic of (second, requests in it); seconds that are left out had none.

        Raises:
            CallError: There is none.

        >>> Traffic.recorded("log", [(100, 3), (102, 1)]).rates
        (3.0, 0.0, 1.0)
        """
        counted: dict[int, float] = {}
        for second, requests in seconds:
            counted[math.floor(second)] = counted.get(math.floor(second), 0.0) + requests
        if not counted:
            raise CallError(f"traffic {name!r} has no second", hint="record one request at least")
        first, last = min(counted), max(counted)
        return cls(name=name, rates=tuple(float(counted.get(second, 0.0)) for second in range(first, last + 1)))


def steady(rate: float, seconds: int) -> Traffic:
    """Make traffic that stays as it is."""
    return Traffic(name="steady", rates=(rate,) * seconds)


def step(rate: float, seconds: int) -> Traffic:
    """Make traffic that is four times as high from the middle on."""
    half = seconds // 2
    return Traffic(name="step", rates=(rate / 4,) * half + (rate,) * (seconds - half))


def diurnal(rate: float, seconds: int) -> Traffic:
    """Make one day, however long it is: little at its ends, most in its middle."""
    waves = (0.5 - 0.5 * math.cos(2 * math.pi * second / seconds) for second in range(seconds))
    return Traffic(name="diurnal", rates=tuple(rate * (0.05 + 0.95 * wave) for wave in waves))


def spikes(rate: float, seconds: int, *, seed: int = 0) -> Traffic:
    """Make quiet traffic with some spikes of 20 s, when nobody expects them."""
    drawn = random.Random(seed)  # noqa: S311 - nothing secret
    rates = [rate / 5] * seconds
    for _ in range(max(1, seconds // 300)):
        start = drawn.randrange(seconds)
        rates[start : start + _SPIKE_S] = [rate] * len(rates[start : start + _SPIKE_S])
    return Traffic(name="spike", rates=tuple(rates))


def leak(rate: float, seconds: int) -> Traffic:
    """Make traffic that stays as it is, while every answer takes longer and longer, four times as long at the end."""
    slower = tuple(1 + (_SLOWEST - 1) * second / seconds for second in range(seconds))
    return Traffic(name="leak", rates=(rate,) * seconds, slower=slower)


def bursts(rate: float, seconds: int) -> Traffic:
    """Make bursts of 10 s with 10 minutes of nothing between them: what a revision that sleeps has to bear."""
    return Traffic(
        name="burst", rates=tuple(rate if second % 600 < _BURST_S else 0.0 for second in range(30, seconds + 30))
    )


TRAFFICS: dict[str, Callable[[float, int], Traffic]] = {
    "burst": bursts,
    "diurnal": diurnal,
    "leak": leak,
    "spike": spikes,
    "steady": steady,
    "step": step,
}
"""Made-up traffics by name, of a highest rate and a number of seconds."""
