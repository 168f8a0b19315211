"""Upkeep by itself: what would grow for ever is looked after while the platform runs, by the control plane that leads.

The loop asks at each look; the work has a thread of its own, so that no request, no server and no shipping waits for
it. A look takes some seconds at most, and the next one goes on. What was done is in `control.log` as `upkeep`.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from rung import openlineage
from rung.control._feedback import Feedback

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rung.control._access_log import AccessLog
    from rung.control.place import Place
    from rung.lake import Lake
    from rung.registry import Experiment, Registry
    from rung.settings import Settings

_EVERY_S = 20.0
_BUDGET_S = 5.0
"""For the tables of the lake, in one look."""
_RETENTION_EVERY_S = 3_600.0
_LOOK_BACK = timedelta(days=30)
"""Outcomes from before an A/B test that it takes for its covariate."""

_log = structlog.get_logger("rung.control")


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """Looks after the lake's tables, the datasets that are made of them, and the gateway's log."""

    place: Place
    registry: Registry
    lake: Lake
    access_log: AccessLog
    retention: Mapping[str, int]
    """Days that rows are kept, by service; those of others are kept for ever."""
    _looked: float = -math.inf
    """Monotonic seconds, as the next."""
    _retained: float = -math.inf
    _feedback: Feedback = field(init=False)

    def __post_init__(self) -> None:
        self._feedback = Feedback(place=self.place, registry=self.registry, must_forget=frozenset(self.retention))

    def is_due(self) -> bool:
        """Tell whether it is time to look."""
        return time.monotonic() - self._looked >= _EVERY_S

    def look(self) -> None:
        """Look after everything for some seconds.

        Raises:
            UnavailableError: A disk or a store does not work.
        """
        began = self._looked = time.monotonic()
        is_retained = began - self._retained < _RETENTION_EVERY_S
        done = self.lake.upkeep(budget_s=_BUDGET_S, keep_from=None if is_retained else self._keep_from())
        self._retained = self._retained if is_retained else began
        self._feedback.look()
        openlineage.send_soon(self.place.workspace)
        packed = self.access_log.look()
        if done or packed:
            told = {name: count for name, count in asdict(done).items() if count}
            _log.info("upkeep", **told, packed_bytes=packed, seconds=round(time.monotonic() - began, 3))
        if done.waiting:
            self._looked = -math.inf  # the next look goes on at once

    def close(self) -> None:
        """Stop what goes on beside the loop."""
        self._feedback.close()

    def _keep_from(self) -> dict[str, date]:
        return keep_from(self.retention, self.registry.experiments(active_only=True), now=datetime.now(UTC))


def keep_from(retention: Mapping[str, int], experiments: Iterable[Experiment], *, now: datetime) -> dict[str, date]:
    """Say from which day on each service's rows are kept; what an A/B test under way counts is never removed. Pure.

    Args:
        retention: Days that rows are kept, by service.
        experiments: Those under way.
        now: The present.
    """
    days = {service: (now - timedelta(days=kept)).date() for service, kept in retention.items()}
    for experiment in experiments:
        service = experiment.challenger.service
        if service in days:
            days[service] = min(days[service], (experiment.started - _LOOK_BACK).date())
    return days


def retention_of(settings: Settings) -> dict[str, int]:
    """Give the days that rows are kept, of the services that do not keep them for ever."""
    days = {name: policy.log.retention_days for name, policy in settings.services.items()}
    return {name: kept for name, kept in days.items() if kept is not None}
