"""The course of alerts: what one look makes of those that are open, and which it opens.

One alert for each thing (`Alert.key`): it opens once, gets worse at the most twice, and closes once. It closes when it
has not been seen for so long, in looks that could have seen it, so that what comes and goes stays one alert. What a
person closed opens again only when it got worse, or after it was over.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from rung.alerting._sighting import rank
from rung.registry import Alert, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from rung.alerting._sighting import Sighting

__all__ = ["QUIET_LOOKS", "Look", "course"]

QUIET_LOOKS: Final = 3
"""Looks in a row that see nothing, before an alert closes."""
_SUBJECT: Final = 300
"""Letters of a subject that are kept."""
_SCOPE: Final = "scope"
"""In an alert's data: which looks can tell that it is over."""
_WIDEST: Final = "day"
"""What these looks saw once, they alone tell to be over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was looked at once."""

    now: datetime
    judged: Collection[tuple[str, int, str]]  # service, major, scope: where no sighting means that there is nothing
    sightings: tuple[Sighting, ...]


def course(
    alerts: Iterable[Alert],
    look: Look,
    *,
    quiet_s: Callable[[str], float],
    described: Callable[[Sighting], Mapping[str, Any]] = lambda _: {},
) -> list[Step]:
    """Say what a look makes of alerts.

    Args:
        alerts: Those that are open, and those that a person closed while they went on (`Registry.followed_alerts`).
        look: What was seen now.
        quiet_s: Seconds without a sighting after which an alert of a service closes.
        described: Gives the owner and the suspects of an alert that opens.

    Returns:
        A step for each alert that was seen, is over, or is new; what was not judged has none.
    """
    seen, steps = _worst(look.sightings), list[Step]()
    for alert in alerts:
        sighting = seen.get(alert.key)
        if sighting is None:
            steps += _unseen(alert, look, quiet_s=quiet_s(alert.service)) if _is_judged(alert, look) else []
        elif alert.held and _is_worse(alert, sighting):  # it is another thing by now than what a person closed
            steps.append(Step(what="released", alert=replace(alert, held=False)))
        else:
            steps.append(_seen(alert, seen.pop(alert.key), look.now))
    return steps + [_opened(one, look.now, described(one)) for one in seen.values() if one.opens]


def _worst(sightings: Iterable[Sighting]) -> dict[tuple[str, int, str, str, str], Sighting]:
    """Of sightings of the same thing keep the worst; of those as bad the first."""
    found: dict[tuple[str, int, str, str, str], list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        kept = replace(sighting, subject=sighting.subject[:_SUBJECT])
        found[kept.key].append(kept)
    return {key: max(same, key=lambda one: (one.opens, rank(one.severity))) for key, same in found.items()}


def _seen(alert: Alert, sighting: Sighting, now: datetime) -> Step:
    scope = _WIDEST if alert.data.get(_SCOPE) == _WIDEST else sighting.scope
    if sighting.opens:
        alert = replace(alert, because=sighting.because, data=_data(sighting, scope))
    is_worse = _is_worse(alert, sighting)
    after = replace(
        alert,
        minor=alert.minor if sighting.minor is None else sighting.minor,
        severity=sighting.severity if is_worse else alert.severity,
        seen=now,
        times=alert.times + 1,
        quiet=0,
    )
    return Step(what="worse" if is_worse else "seen", alert=after)


def _is_worse(alert: Alert, sighting: Sighting) -> bool:
    return sighting.opens and rank(sighting.severity) > rank(alert.severity)


def _unseen(alert: Alert, look: Look, *, quiet_s: float) -> list[Step]:
    quiet = alert.quiet + 1
    is_over = quiet >= QUIET_LOOKS and look.now - alert.seen >= timedelta(seconds=quiet_s)
    if not is_over:
        return [Step(what="quiet", alert=replace(alert, quiet=quiet))]
    if alert.held:
        return [Step(what="released", alert=replace(alert, held=False, quiet=quiet))]
    ending = f"not seen since {alert.seen:%Y-%m-%d %H:%M} UTC"
    return [Step(what="closed", alert=replace(alert, quiet=quiet, closed=look.now, ending=ending))]


def _is_judged(alert: Alert, look: Look) -> bool:
    return (alert.service, alert.major, str(alert.data.get(_SCOPE))) in look.judged


def _opened(sighting: Sighting, now: datetime, described: Mapping[str, Any]) -> Step:
    alert = Alert(
        id=0,
        service=sighting.service,
        major=sighting.major,
        minor=sighting.minor,
        kind=sighting.kind,
        subject=sighting.subject,
        against=sighting.against,
        severity=sighting.severity,
        because=sighting.because,
        owner=sighting.owner or described.get("owner", ""),
        suspects=tuple(described.get("suspects", ())),
        next=sighting.next,
        data=_data(sighting, sighting.scope),
        opened=now,
        seen=now,
        times=1,
    )
    return Step(what="opened", alert=alert)


def _data(sighting: Sighting, scope: str) -> dict[str, Any]:
    return {**sighting.data, _SCOPE: scope}
