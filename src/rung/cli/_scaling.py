"""What `rung simulate-scaling` tells and draws. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rung.charts.blocks import coloured
from rung.charts.figure import Curve, Figure, Panel, Rule, padded
from rung.cli._duration import spell
from rung.scaling import Point

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.infrastructure import Autoscaling
    from rung.scaling import Replica, Simulated

_HOUR_S = 3_600.0
_MOST_POINTS = 300
_MOST_CHANGES = 12
_SWINGS_PER_HOUR = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A simulation, and what was simulated."""

    service: str
    spec: Autoscaling
    replica: Replica
    found: Simulated

    @property
    def always_s(self) -> float:
        """Replica-seconds with the maximum all the time."""
        return float(self.found.seconds * self.spec.maximum)

    @property
    def full_share(self) -> float:
        """Share of the time at the maximum."""
        return sum(one.replicas == self.spec.maximum for one in self.found.points) / len(self.found.points)


def headline(tried: Tried) -> str:
    """Say what was simulated."""
    replica = tried.replica
    return (
        f"{tried.service}: {tried.found.traffic} traffic of {spell(tried.found.seconds)}; a replica answers"
        f" {replica.at_once} at once, each in {replica.service_time_s * 1_000:.3g} ms, {replica.start_s:g} s after it"
        " was asked for"
    )


def rows(tried: Tried) -> tuple[list[list[str]], tuple[str, ...]]:
    """Give the table: its rows, and its header."""
    found = tried.found
    refused = f"{found.refused:,}" + (f" ({found.refused / found.requests:.2%})" if found.refused else "")
    waits = (found.waited_p50_s, found.waited_p95_s, found.waited_p99_s, found.waited_most_s)
    least = min(point.replicas for point in found.points)
    row = [
        f"{found.requests:,}",
        coloured(refused, "bad") if found.refused else refused,
        *(f"{wait:.3f} s" if wait < 1 else f"{wait:.1f} s" for wait in waits),
        f"{least}" if least == found.most_replicas else f"{least} to {found.most_replicas}",
        f"{len(found.changes)}",
        f"{found.replica_seconds / _HOUR_S:.2f}",
        f"{tried.always_s / _HOUR_S:.2f}",
    ]
    header = ("REQUESTS", "REFUSED", "WAITED P50", "P95", "P99", "MOST", "REPLICAS", "CHANGES", "REPLICA-HOURS")
    return [row], (*header, "AT THE MAXIMUM")


def advice(tried: Tried) -> Iterator[str]:
    """Say what should be declared otherwise, or that nothing has to be."""
    found = list(_wrong(tried))
    if not found:
        yield coloured("nothing was refused, and the number did not swing", "good")
    for one in found:
        yield coloured(one, "bad")


def _wrong(tried: Tried) -> Iterator[str]:
    spec, replica, found = tried.spec, tried.replica, tried.found
    if spec.maximum == spec.minimum:
        yield f"nothing scales: minimum and maximum are both {spec.maximum}"
    elif found.refused and tried.full_share > 0:
        yield f"the maximum of {spec.maximum} was reached for {tried.full_share:.0%} of the time: declare a higher one"
    elif found.refused:
        yield "some were refused before more replicas were ready: declare a higher minimum, or a lower target"
    if spec.target_concurrency is not None and spec.target_concurrency > replica.at_once and spec.target_cpu is None:
        yield (
            f"target_concurrency {spec.target_concurrency:g} is more than the {replica.at_once} that a replica answers"
            " at once, so it is full before it seems busy: declare a lower one, or a target_cpu as well"
        )
    if spec.cold_start_s is not None and replica.start_s > spec.cold_start_s:
        yield (
            f"a replica starts in {replica.start_s:g} s and cold_start_s is {spec.cold_start_s:g}: who wakes the"
            " service may be refused; declare a longer one, or a minimum of 1"
        )
    swings = _swings(found) * _HOUR_S / found.seconds
    if swings > _SWINGS_PER_HOUR:
        yield f"the number swings {swings:.0f} times an hour: declare a longer scale_down_after_s"


def _swings(found: Simulated) -> int:
    """Count how often the number turned from falling to rising."""
    ups = [change.after > change.before for change in found.changes]
    return sum(after and not before for before, after in pairwise(ups))


def changes(tried: Tried) -> Iterator[str]:
    """List the first decisions, each with its reason."""
    for change in tried.found.changes[:_MOST_CHANGES]:
        yield f"  {spell(change.at):>12}  {change.because}"
    left = len(tried.found.changes) - _MOST_CHANGES
    if left > 0:
        yield f"  {'':>12}  and {left} more; --json has them all"


def to_json(tried: Tried) -> dict[str, Any]:
    """Return it as JSON can hold it, with at most 300 points."""
    return {
        "service": tried.service,
        **tried.found.to_json(),
        "points": [asdict(one) for one in _thinned(tried.found)],
        "replica_seconds_at_maximum": tried.always_s,
        "share_at_maximum": tried.full_share,
        "wrong": list(_wrong(tried)),
    }


def _thinned(found: Simulated) -> list[Point]:
    """Give points that have the highest of what stretches had, few enough to be drawn."""
    length = -(-len(found.points) // _MOST_POINTS)
    parts = [found.points[start : start + length] for start in range(0, len(found.points), length)]
    return [
        Point(
            at=part[-1].at,
            rate=max(one.rate for one in part),
            replicas=max(one.replicas for one in part),
            ready=max(one.ready for one in part),
            waiting=max(one.waiting for one in part),
        )
        for part in parts
    ]


def figure_of(tried: Tried) -> Figure:
    """Make the figure: what was sent, how many replicas answered it, how many requests waited."""
    found = tried.found
    unit, name = (_HOUR_S, "hours") if found.seconds > 2 * _HOUR_S else (60.0, "minutes")

    points = _thinned(found)
    sent, decided, waiting = (
        tuple((one.at / unit, float(getattr(one, height))) for one in points)
        for height in ("rate", "replicas", "waiting")
    )
    most = max(tried.spec.maximum if tried.full_share else found.most_replicas, 1)
    return Figure(
        title=f"{tried.service}: {found.traffic} traffic, simulated",
        told=(
            f"{found.requests:,} requests, {found.refused:,} refused; {found.replica_seconds / _HOUR_S:.2f}"
            f" replica-hours, {tried.always_s / _HOUR_S:.2f} with the maximum all the time."
        ),
        x_title=f"time ({name})",
        low=0.0,
        high=found.seconds / unit,
        panels=(
            _panel("requests per second", sent, "sent"),
            Panel(
                title="replicas",
                low=0.0,
                high=most * 1.15,
                curves=(Curve(points=decided, label="decided"),),
                rules=(Rule(y=float(tried.spec.maximum), label="maximum"),) if tried.full_share else (),
            ),
            _panel("requests that wait", waiting, "waiting"),
        ),
    )


def _panel(title: str, points: tuple[tuple[float, float], ...], label: str) -> Panel:
    _, high = padded([0.0, max(height for _, height in points) or 1.0])
    return Panel(title=title, low=0.0, high=high, curves=(Curve(points=points, label=label, tone="second"),))
