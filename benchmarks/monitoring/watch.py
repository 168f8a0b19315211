"""How often does the watch cry wolf over time, and how soon does it see a shift? Simulated, with fresh numbers.

    python benchmarks/monitoring/watch.py [--windows 10000] [--seed N]

Called by `run.py`. A service with twenty features is looked at as the control plane does: every five minutes the
newest 500 requests in whole hours, every hour the last day, against a sample of its training and against the week
before. Windows overlap, all share one reference, and what looks find goes through the course of alerts as it does in a
platform.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from quiet import CATEGORIES, NUMBERS, REFERENCE_ROWS, REPEATED, draw, jensen_shannon

from rung.alerting import WINDOWS, Look, Sighting, Window, course
from rung.monitoring import Limits
from rung.settings import Alerts
from rung.stats import alarms, chance_of_counts, chance_of_distance

if TYPE_CHECKING:
    from rung.registry import Alert, Step

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

FEATURES = NUMBERS + REPEATED + CATEGORIES
BLOCK = timedelta(minutes=5)
BLOCKS = 12  # in an hour
DAYS_BEFORE = 7
REQUESTS_AN_HOUR = (60, 240, 960)
LOOSE = 1_000.0
"""False alarms a year at which they are frequent enough to be counted."""
SHIFT, WITHIN, REPEATS = 0.5, 1_000, 200
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
YEAR = timedelta(days=365.25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Requests of a time: numbers, each feature sorted, and counts of categories."""

    begin: datetime
    numbers: Floats
    counts: Counts

    @property
    def requests(self) -> int:
        """How many they are."""
        return int(self.numbers.shape[1])


def together(parts: list[Part]) -> Part:
    """Put the requests of several times together."""
    numbers = np.sort(np.concatenate([part.numbers for part in parts], axis=1), axis=1)
    return Part(begin=parts[0].begin, numbers=numbers, counts=np.sum([part.counts for part in parts], axis=0))


@dataclass(slots=True, kw_only=True)
class Service:
    """What production sends, in blocks of five minutes."""

    random: np.random.Generator
    rate: float  # requests an hour
    shift: float = 0.0  # of the first feature, in standard deviations
    now: datetime = BEGIN
    blocks: deque[Part] = field(default_factory=lambda: deque(maxlen=25 * BLOCKS))
    training: Part = field(init=False)
    week: deque[Part] = field(default_factory=lambda: deque(maxlen=DAYS_BEFORE))
    before: Part | None = None

    def __post_init__(self) -> None:
        self.training = together([self._drawn(REFERENCE_ROWS)])

    def block(self) -> int:
        """Let five minutes go by; tell how many requests came."""
        part = self._drawn(int(self.random.poisson(self.rate / BLOCKS)))
        self.blocks.append(part)
        self.now += BLOCK
        if self.now.hour == 0 and self.now.minute == 0:  # a day is over: it is of the week before from now on
            self.week.append(together(list(self.blocks)[-24 * BLOCKS :]))
            self.before = together(list(self.week))
        return part.requests

    def window(self, window: Window) -> Part:
        """Give what a window is of: whole hours, the newest of them under way."""
        begin = (self.now - window.length).replace(minute=0)
        hours: dict[datetime, list[Part]] = {}
        for part in self.blocks:
            if part.begin >= begin:
                hours.setdefault(part.begin.replace(minute=0), []).append(part)
        wanted, count = list[Part](), 0
        for hour in sorted(hours, reverse=True):
            wanted += hours[hour]
            count += sum(part.requests for part in hours[hour])
            if window.enough is not None and count >= window.enough:
                break
        return together(wanted)

    def _drawn(self, requests: int) -> Part:
        numbers, counts = draw(self.random, requests)
        numbers[0] += self.shift  # its standard deviation is 1
        return Part(begin=self.now, numbers=numbers, counts=counts)


def distance(reference: Floats, sorted_window: Floats) -> float:
    """Give the largest distance of two distribution functions of sorted numbers, exactly."""
    found = sorted_window.size
    at = [np.searchsorted(reference, sorted_window, side=side) / reference.size for side in ("right", "left")]
    own = [np.searchsorted(sorted_window, sorted_window, side=side) / found for side in ("right", "left")]
    return float(max(np.abs(mine - other).max() for mine, other in zip(own, at, strict=True)))


@dataclass(slots=True, kw_only=True)
class Watch:
    """Looks as the control plane does, at one rate of false alarms."""

    alerts: Alerts
    least: float  # distance that matters
    kept: dict[int, Alert] = field(default_factory=dict)
    looks: int = 0
    false: int = 0  # looks with an alarm

    def look(self, service: Service, window: Window) -> list[Sighting]:
        """Look at one window, and keep what that makes of alerts; give what opens one."""
        part, found = service.window(window), []
        if part.requests:
            limits = Limits(false_alarms=window.false_alarms(self.alerts), least=self.least)
            found = sightings(part, service, window, limits)
        judged = {("simulated", 1, window.name)}
        seen = Look(now=service.now, judged=judged, sightings=tuple(found))
        followed = [one for one in self.kept.values() if one.closed is None]
        for step in course(followed, seen, quiet_s=lambda _: self.alerts.quiet_s):
            self._keep(step)
        self.looks += 1
        self.false += bool(found)
        return found

    def _keep(self, step: Step) -> None:
        number = step.alert.id or len(self.kept) + 1
        self.kept[number] = replace(step.alert, id=number)


def sightings(part: Part, service: Service, window: Window, limits: Limits) -> list[Sighting]:
    """Judge one look, as `rung.monitoring.drifts` does."""
    names, chances, sizes = [], [], []
    for against, reference in (("training", service.training), ("before", service.before)):
        if reference is None:
            continue
        for number, (one, other) in enumerate(zip(reference.numbers, part.numbers, strict=True)):
            sizes.append(distance(one, other))
            chances.append(chance_of_distance(sizes[-1], reference.requests, part.requests))
            names.append((f"number {number}", against))
        for number, (counts, others) in enumerate(zip(reference.counts, part.counts, strict=True)):
            sizes.append(jensen_shannon(counts, others))
            chances.append(chance_of_counts(counts, others))
            names.append((f"category {number}", against))
    certain = alarms(chances, limits.alpha)
    return [
        Sighting(
            kind="drift",
            subject=subject,
            against=against,
            service="simulated",
            major=1,
            because="it moved",
            scope=window.name,
        )
        for (subject, against), sure, size in zip(names, certain, sizes, strict=True)
        if sure and size >= limits.least
    ]


def quiet(windows: int, random: np.random.Generator) -> dict[str, Any]:
    """Watch services in which nothing moves, until so many windows were looked at."""
    kept, loose = [], []
    for rate in REQUESTS_AN_HOUR:
        service = Service(random=random, rate=rate)
        shipped = Watch(alerts=Alerts(), least=Limits().least)
        many = Watch(alerts=Alerts(false_alarms_a_year=LOOSE), least=0.0)
        block = 0
        while shipped.looks < windows / len(REQUESTS_AN_HOUR):
            service.block()
            block += 1
            due = [one for one in WINDOWS if one.every is None or block % (one.every // BLOCK) == 0]
            for window in due:
                shipped.look(service, window)
                many.look(service, window)
        kept.append((shipped, block))
        loose.append(many)
    years = sum(block for _, block in kept) * (BLOCK / YEAR)
    return {
        "windows": sum(one.looks for one, _ in kept),
        "years": years,
        "alarms": sum(one.false for one, _ in kept),
        "alerts": sum(len(one.kept) for one, _ in kept),
        "stated": years * Alerts().false_alarms_a_year / 2,  # the other half is for quality
        "loose": sum(one.false for one in loose),
        "loose_alerts": sum(len(one.kept) for one in loose),
        "loose_stated": years * LOOSE / 2,
    }


def soon(random: np.random.Generator) -> dict[str, Any]:
    """Shift one feature at some minute of an hour; count the requests until it is seen."""
    needed = []
    for number in range(REPEATS):
        service = Service(random=random, rate=REQUESTS_AN_HOUR[number % len(REQUESTS_AN_HOUR)])
        for _ in range(24 * BLOCKS + int(random.integers(BLOCKS))):
            service.block()
        service.shift, count = SHIFT, 0
        watch = Watch(alerts=Alerts(), least=Limits().least)
        while count < 4 * WITHIN:
            count += service.block()
            if any(one.subject == "number 0" for one in watch.look(service, WINDOWS[0])):
                break
        needed.append(count)
    found = np.array(needed)
    return {"power": float((found <= WITHIN).mean()), "median": float(np.median(found)), "most": int(found.max())}


def measure(windows: int = 10_000, seed: int | None = None) -> dict[str, Any]:
    """Simulate."""
    seed = secrets.randbits(32) if seed is None else seed
    random = np.random.default_rng(seed)
    return {"seed": seed, **quiet(windows, random), "soon": soon(random)}


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold what was measured against the bars."""
    windows, power = found["windows"], found["soon"]["power"]
    return [
        {
            "goal": f"windows with a false alarm of {windows:,} that overlap, in {found['years']:.2f} years",
            "measured": found["alarms"],
            "bar": f"<= {found['stated']:.2f}",
            "ok": found["alarms"] <= found["stated"],
        },
        {
            "goal": f"the same at {LOOSE:,.0f} a year, whatever the size; {found['loose_alerts']} alerts were opened",
            "measured": found["loose"],
            "bar": f"<= {found['loose_stated']:.1f}",
            "ok": found["loose"] <= found["loose_stated"],
        },
        {
            "goal": f"power: a shift by {SHIFT} standard deviations opens an alert within {WITHIN:,} requests",
            "measured": power,
            "bar": ">= 0.95",
            "ok": power >= 0.95,
        },
    ]


def main() -> int:
    """Simulate, and say whether the bars were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=10_000)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    found = measure(options.windows, options.seed)
    reached = goals(found)
    print(json.dumps({"goals": reached, "figures": found}, indent=1))
    return 0 if all(goal["ok"] for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
