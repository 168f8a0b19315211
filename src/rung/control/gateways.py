"""The gateways of a platform: its own, and those elsewhere, which fetch what they shall route and report what they do.

Each routes by itself, from files of its own: one that hears nothing goes on as it was. So a change of routes holds only
once every gateway has it. It is waited for those that are heard from; one that has been silent for `AWAY_S`, or has not
taken a change within `STUCK_S`, is named to people and waited for no more. Who is a gateway is in the registry's
events, so that another control plane waits for the same ones.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import structlog

from rung.errors import ConflictError, GatewayError, NotFoundError
from rung.gateway import Traffic, to_json, version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rung.gateway import Gateway, Routing
    from rung.registry import Registry

__all__ = ["AWAY_S", "KIND", "OWN", "STUCK_S", "Gateways", "Report", "Standing", "standing"]

OWN: Final = "own"
"""Name of the control plane's own gateway."""
KIND: Final = "gateway"
"""Kind of the events that say who is a gateway; their subject is the name after an @, which no service has."""
AWAY_S: Final = 10.0
"""So long a gateway may be silent: an agent reports twice a second, and a change that it applies takes at most 6 s."""
STUCK_S: Final = 60.0
"""So long a gateway may report, and not have taken a change."""
_STAYS: Final = "it goes on routing as it did last, also to servers that are stopped since"

_log = structlog.get_logger("rung.control")


class Standing(StrEnum):
    """How far a gateway is."""

    READY = "ready"
    """It routes as it shall."""
    BEHIND = "behind"
    """It has not taken the last change yet: it is waited for."""
    STUCK = "stuck"
    """It does not take the last change: it is waited for no more."""
    AWAY = "away"
    """It is silent: it is waited for no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a gateway elsewhere says of itself."""

    instance: str  # of the agent's folder: two agents of one name are told apart
    release: str  # Rung's
    url: str  # for consumers
    applied: str  # version of the routing that it applied last; "" before the first
    problem: str = ""  # why it has not applied what it shall, in a sentence
    requests: Mapping[str, int] = field(default_factory=dict)  # that it sent to each revision, since it counts
    in_flight: Mapping[str, int] = field(default_factory=dict)  # that each revision has from it, not answered yet


@dataclass(slots=True, kw_only=True)
class _Known:
    """What is known of a gateway elsewhere; times are monotonic seconds."""

    heard: float
    report: Report | None = None
    behind_since: float | None = None
    told_away: bool = False


def standing(*, silent_s: float, behind_s: float | None) -> Standing:
    """Say how far a gateway is. Pure.

    Args:
        silent_s: Since its last report.
        behind_s: Since it was first without the routing that it shall have; None when it has it.

    >>> standing(silent_s=0.5, behind_s=3.0)
    <Standing.BEHIND: 'behind'>
    """
    if silent_s > AWAY_S:
        return Standing.AWAY
    if behind_s is None:
        return Standing.READY
    return Standing.STUCK if behind_s > STUCK_S else Standing.BEHIND


@dataclass(slots=True, kw_only=True)
class Gateways:
    """Those of one platform; safe from several threads."""

    registry: Registry
    own: Gateway
    clock: Callable[[], float] = time.monotonic
    _wanted: tuple[str, Mapping[str, Any]] | None = None
    """Version and document of what all shall route."""
    _own_version: str = ""
    _known: dict[str, _Known] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def want(self, routing: Routing) -> None:
        """Let all gateways elsewhere have this routing, as soon as they ask."""
        version = version_of(routing)
        with self._lock:
            if self._wanted is not None and self._wanted[0] == version:
                return
            self._wanted = version, to_json(routing)
            for one in self._all().values():
                self._measure(one)

    def report(self, name: str, report: Report, *, actor: str) -> tuple[str, Mapping[str, Any] | None]:
        """Take a report, and give the version that shall be routed, and the routing unless it is what is routed.

        Raises:
            ConflictError: Another gateway of that name is heard from.
            LeaseLostError: Another control plane leads, and knows better.
        """
        self.registry.check_lead()
        with self._lock:
            one, is_new = self._met(name, report)
            one.report, one.heard = report, self.clock()
            self._measure(one)
            wanted = self._wanted
        if is_new:
            self._keep(name, "joined", f"the gateway {name} at {report.url} is heard from", actor=actor)
        if wanted is None:
            return "", None
        return wanted[0], None if report.applied == wanted[0] else wanted[1]

    def have(self, routing: Routing) -> bool:
        """Keep that the control plane's own gateway routes like this; tell whether all that are waited for do."""
        self._own_version = version_of(routing)
        return self.are_settled()

    def are_settled(self) -> bool:
        """Tell whether every gateway elsewhere that is waited for has what it shall have."""
        with self._lock:
            return all(self._standing(one) is not Standing.BEHIND for one in self._all().values())

    def look(self) -> None:
        """Keep which gateways went away."""
        with self._lock:
            gone = [
                name for name, one in self._all().items() if self._standing(one) is Standing.AWAY and not one.told_away
            ]
            for name in gone:
                self._all()[name].told_away = True
        for name in gone:
            told = f"the gateway {name} has not been heard from for {AWAY_S:g} s: {_STAYS}"
            _log.warning("gateway_away", gateway=name)
            self._keep(name, "away", told, actor="rung")

    def forget(self, name: str, *, because: str, actor: str) -> None:
        """Take a gateway off the list; one that is heard from again joins again.

        Raises:
            NotFoundError: There is none of that name.
        """
        with self._lock:
            if self._all().pop(name, None) is None:
                raise NotFoundError(f"there is no gateway {name!r}", hint="`rung gateway list` names them")
        self._keep(name, "left", because, actor=actor)

    def shown(self) -> list[dict[str, Any]]:
        """Tell of each gateway how it is, the control plane's own first."""
        with self._lock:
            elsewhere = [self._shown(name, one) for name, one in sorted(self._all().items())]
        return [self._shown_own(), *elsewhere]

    def unwell(self) -> list[tuple[str, datetime, str]]:
        """Name the gateways elsewhere that are waited for no more, since when, and why."""
        now = datetime.now(UTC)
        with self._lock:
            found = [(name, one, self._standing(one)) for name, one in sorted(self._all().items())]
            return [
                (name, now - timedelta(seconds=self._out_s(one, how)), self._because(one, how))
                for name, one, how in found
                if how in {Standing.AWAY, Standing.STUCK}
            ]

    def counts(self) -> dict[str, Mapping[str, int]]:
        """Give the requests that each gateway sent to each revision since it counts, by gateway.

        Raises:
            GatewayError: The control plane's own does not answer.
        """
        return {OWN: self.own.requests(), **self.counts_elsewhere()}

    def traffic(self) -> dict[str, Traffic]:
        """Tell what each revision is asked now, by all gateways that are heard from.

        Raises:
            GatewayError: The control plane's own does not answer.
        """
        found = self.own.traffic()
        with self._lock:
            heard = [one for one in self._all().values() if self._standing(one) is not Standing.AWAY]
            reports = [one.report for one in heard if one.report is not None]
        for report in reports:
            for name in report.requests.keys() | report.in_flight.keys():
                seen = Traffic(requests=report.requests.get(name, 0), in_flight=report.in_flight.get(name, 0))
                found[name] = found.get(name, Traffic()) + seen
        return found

    def counts_elsewhere(self) -> dict[str, Mapping[str, int]]:
        """Give the same without the control plane's own gateway."""
        with self._lock:
            reports = {name: one.report for name, one in self._all().items()}
        return {name: report.requests for name, report in reports.items() if report is not None}

    def _all(self) -> dict[str, _Known]:
        """Give what is known; what an earlier control plane knew is expected to report soon."""
        if self._known is None:
            last = {subject.removeprefix("@"): event for subject, event in self.registry.latest(KIND).items()}
            now = self.clock()
            self._known = {
                name: _Known(heard=now, behind_since=now)
                if event.data["what"] == "joined"
                else _Known(heard=now - AWAY_S - 1, told_away=True)
                for name, event in last.items()
                if event.data["what"] != "left"
            }
        return self._known

    def _met(self, name: str, report: Report) -> tuple[_Known, bool]:
        """Give the gateway that reports, and whether that is news."""
        one = self._all().get(name)
        if one is None:
            one = self._all()[name] = _Known(heard=self.clock())
            return one, True
        is_another = one.report is not None and one.report.instance != report.instance
        if is_another and self._standing(one) is not Standing.AWAY:
            raise ConflictError(
                f"another gateway {name} is heard from", hint="give each its own --name, and its own folder"
            )
        was_away, one.told_away = one.told_away, False
        return one, was_away

    def _measure(self, one: _Known) -> None:
        """Keep since when a gateway is without what it shall have."""
        applied = None if one.report is None else one.report.applied
        if self._wanted is not None and applied == self._wanted[0]:
            one.behind_since = None
        elif one.behind_since is None:
            one.behind_since = self.clock()

    def _standing(self, one: _Known) -> Standing:
        now = self.clock()
        behind_s = None if one.behind_since is None else now - one.behind_since
        return standing(silent_s=now - one.heard, behind_s=behind_s)

    def _out_s(self, one: _Known, how: Standing) -> float:
        since = one.behind_since if how is Standing.STUCK else one.heard
        return self.clock() - (one.heard if since is None else since)

    def _because(self, one: _Known, how: Standing) -> str:
        if how is Standing.AWAY:
            return f"it is not heard from; {_STAYS}"
        problem = "" if one.report is None else one.report.problem
        return f"{problem or 'it has not taken the last change'}; {_STAYS}"

    def _shown(self, name: str, one: _Known) -> dict[str, Any]:
        how, report = self._standing(one), one.report
        problem = "" if report is None else report.problem
        return {
            "name": name,
            "standing": how,
            "url": "" if report is None else report.url,
            "release": "" if report is None else report.release,
            "version": "" if report is None else report.applied,
            "lag_s": 0.0 if how is Standing.READY else round(self._out_s(one, how), 1),
            "silent_s": round(self.clock() - one.heard, 1),
            "requests": 0 if report is None else sum(report.requests.values()),
            "because": problem if how in {Standing.READY, Standing.BEHIND} else self._because(one, how),
        }

    def _shown_own(self) -> dict[str, Any]:
        plain = {"name": OWN, "url": "", "release": "", "lag_s": 0.0, "silent_s": 0.0}
        is_behind = self._wanted is not None and self._wanted[0] != self._own_version
        how = Standing.BEHIND if is_behind else Standing.READY
        try:
            requests = sum(self.own.requests().values())
        except GatewayError as error:
            return {**plain, "standing": Standing.AWAY, "version": "", "requests": 0, "because": error.message}
        return {**plain, "standing": how, "version": self._own_version, "requests": requests, "because": ""}

    def _keep(self, name: str, what: str, because: str, *, actor: str) -> None:
        self.registry.record_event(KIND, f"@{name}", because=because, actor=actor, what=what)
