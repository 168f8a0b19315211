"""Whom an alert is for, and what may be behind it: asked when one opens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from rung.alerting import CHANGES, Circumstances, suspects
from rung.control.alerts.owners import owners_of
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rung.alerting import Sighting
    from rung.control.alerts.production import Found
    from rung.control.place import Place
    from rung.registry import Registry

__all__ = ["Describer"]

_BACK: Final = timedelta(days=1)
"""Changes of that time are suspects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Describer:
    """Describes the alerts of one look."""

    place: Place
    registry: Registry
    now: datetime
    found: Found | None = None
    """What was found of the service beside sightings."""

    def __call__(self, sighting: Sighting) -> Mapping[str, Any]:
        """Give the owner of a sighting and its suspects."""
        return {"owner": self._owner(sighting), "suspects": self._suspects(sighting)}

    def _suspects(self, sighting: Sighting) -> tuple[str, ...]:
        if sighting.service == "*":
            return ()
        since = self.now - _BACK
        latest = [event for kind in CHANGES for event in self.registry.latest(kind, sighting.service).values()]
        of_major = [one for one in latest if not sighting.major or f"{one.subject}.".startswith(f"{_major(sighting)}.")]
        changes = sorted((one for one in of_major if one.time >= since), key=lambda one: one.time, reverse=True)
        told = {} if self.found is None else {name: getattr(self.found, name) for name in ("data", "upstream", "moved")}
        return suspects(sighting.kind, Circumstances(since=since, changes=tuple(changes), **told))

    def _owner(self, sighting: Sighting) -> str:
        """Name who answers for the revision."""
        if sighting.minor is None:
            return ""
        name = RevisionName(service=sighting.service, major=sighting.major, minor=sighting.minor)
        return owners_of(name, place=self.place, registry=self.registry).told


def _major(sighting: Sighting) -> str:
    return f"{sighting.service}.v{sighting.major}"
