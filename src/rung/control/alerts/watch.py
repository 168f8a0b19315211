"""The watch: looks at production and at the platform's health now and then, keeps alerts, and has them told.

The loop asks at each of its looks, which costs it nothing: each part of the watch has a thread of its own, and what
production is looked at with is a process that ends with the look.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Self

import structlog

from rung.alerting import WINDOWS, Look, course, judge_health
from rung.control.alerts.channels import channels_for
from rung.control.alerts.descriptions import Describer
from rung.control.alerts.health import Pulse
from rung.control.alerts.outbox import Outbox
from rung.control.alerts.owners import owners_of_alert
from rung.control.alerts.production import Found
from rung.errors import UnavailableError
from rung.lifecycle import State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from rung.alerting import Sighting
    from rung.control._usage import Usage
    from rung.control.deployment.deployments import Deployments
    from rung.control.gateways import Gateways
    from rung.control.place import Place
    from rung.registry import Alert, Registry
    from rung.settings import Settings

__all__ = ["Watch"]

_HEALTH_EVERY_S: Final = 30.0
_FIRST_S: Final = 20.0
"""After the start, before production is looked at first."""
_TOLD: Final = frozenset({"opened", "worse", "closed"})
"""Steps of an alert that are told."""
_LATE: Final = timedelta(minutes=2)
"""So late a request may be known to have come."""
_BUDGET_S: Final = 240.0
_MOST_S: Final = 3_600.0
"""After which a look at production is ended. The first one may have to read all that was logged before."""
_PRODUCTION: Final = frozenset({State.INCUMBENT, State.EXPERIMENTING})

_log = structlog.get_logger("rung.control")


@dataclass(slots=True, kw_only=True)
class Watch:
    """Of one platform."""

    place: Place
    registry: Registry
    settings: Settings
    usage: Usage
    pulse: Pulse
    outbox: Outbox
    _health_at: float = -math.inf
    """Monotonic seconds when it was begun last, as the next."""
    _production_at: float = field(init=False)
    _looked: dict[tuple[str, str], float] = field(default_factory=dict)
    """When a window of a service was looked at last."""
    _since: datetime | None = None
    """Begin of the last look at production."""
    _running: dict[str, Future[None]] = field(default_factory=dict)
    _threads: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 3, "watch"))
    _child: subprocess.Popen[str] | None = None
    _is_over: bool = False

    @classmethod
    def of(cls, deployments: Deployments, gateways: Gateways, usage: Usage) -> Self:
        """Make the watch of a platform."""
        place, registry, servers = deployments.place, deployments.registry, deployments.servers
        settings = place.workspace.settings()
        return cls(
            place=place,
            registry=registry,
            settings=settings,
            usage=usage,
            pulse=Pulse(
                place=place, registry=registry, servers=servers, gateways=gateways, usage=usage, settings=settings
            ),
            outbox=Outbox(place=place, registry=registry, settings=settings),
        )

    def __post_init__(self) -> None:
        self._production_at = time.monotonic() - self.settings.alerts.look_every_s + _FIRST_S

    def tick(self, guarded: Callable[[str, Callable[[], object]], None]) -> None:
        """Begin what is due; returns at once.

        Args:
            guarded: Runs something under a name, and lets no error out.
        """
        now = time.monotonic()
        if now - self._health_at >= _HEALTH_EVERY_S and self._begin("health_failed", self.look_at_health, guarded):
            self._health_at = now
        is_due = now - self._production_at >= self.settings.alerts.look_every_s
        if is_due and self._begin("look_failed", self.look_at_production, guarded):
            self._production_at = now
        if self.outbox.is_due():
            self._begin("telling_failed", self.outbox.look, guarded)

    def close(self) -> None:
        """End what is under way."""
        self._is_over = True
        child = self._child
        if child is not None and child.poll() is None:
            child.terminate()
        self._threads.shutdown(cancel_futures=True)
        self.outbox.close()

    def look_at_health(self) -> None:
        """Look at the platform, and keep what that makes of alerts.

        Raises:
            UnavailableError: The registry does not answer.
        """
        health = self.pulse.feel()
        followed = self.registry.followed_alerts()
        judged = {(one.service, one.major, "health") for one in followed}
        sightings = judge_health(health, self.settings.rules, self.settings.alerts)
        self._keep(followed, sightings, judged, Describer(place=self.place, registry=self.registry, now=health.now))

    def look_at_production(self) -> None:
        """Have production looked at, service by service, and keep what that makes of alerts.

        Raises:
            UnavailableError: The registry does not answer.
        """
        now = datetime.now(UTC)
        windows = self._due(now)
        self._since = now
        if not windows and not self._has_datasets():
            return
        for found in self._looks(windows):
            if found.error:
                _log.warning("look_failed", service=found.service, error=found.error)
            followed = [one for one in self.registry.followed_alerts() if one.service == found.service]
            describer = Describer(place=self.place, registry=self.registry, now=now, found=found)
            self._keep(followed, found.sightings, set(found.judged), describer)

    def _begin(self, name: str, work: Callable[[], None], guarded: Callable[[str, Callable[[], object]], None]) -> bool:
        if self._is_over or (name in self._running and not self._running[name].done()):
            return False
        self._running[name] = self._threads.submit(guarded, name, work)
        return True

    def _keep(
        self,
        followed: Collection[Alert],
        sightings: Collection[Sighting],
        judged: Collection[tuple[str, int, str]],
        described: Describer,
    ) -> None:
        look = Look(now=described.now, judged=judged, sightings=tuple(sightings))
        steps = course(followed, look, quiet_s=lambda name: self.settings.rules(name).quiet_s, described=described)
        told = [replace(step, channels=self._channels(step.alert)) if step.what in _TOLD else step for step in steps]
        self.registry.keep_steps(told)
        for step in told:
            if step.what in _TOLD:
                alert = step.alert
                _log.warning("alert", what=step.what, about=alert.about, kind=alert.kind, because=alert.because)

    def _channels(self, alert: Alert) -> tuple[str, ...]:
        owners = owners_of_alert(alert, place=self.place, registry=self.registry) if self.settings.people else ()
        return channels_for(self.settings, alert, owners)

    def _due(self, now: datetime) -> dict[str, list[str]]:
        """Say which windows of which services are looked at: of those that were asked since the last look."""
        asked = self.usage.last().asked
        since = 0.0 if self._since is None else (self._since - _LATE).timestamp()
        services = sorted(
            {
                one.name.service
                for one in self.registry.watched(now)
                if one.state in _PRODUCTION and asked.get(str(one.name), 0.0) >= since
            }
        )
        found: dict[str, list[str]] = {}
        for service in services:
            for window in WINDOWS:
                every_s = 0.0 if window.every is None else window.every.total_seconds()
                if time.monotonic() - self._looked.get((service, window.name), -math.inf) >= every_s:
                    found.setdefault(service, []).append(window.name)
        return found

    def _has_datasets(self) -> bool:
        return self.settings.storage is not None or (self.place.lake / "datasets").is_dir()

    def _looks(self, windows: dict[str, list[str]]) -> Iterator[Found]:
        """Start the process that looks, and give what it finds, as it finds it."""
        root, state = self.place.workspace.root, self.place.workspace.state
        known = [list(one.key) for one in self.registry.followed_alerts()]
        oldest = sorted(windows, key=lambda service: self._looked.get((service, WINDOWS[0].name), -math.inf))
        order = {"windows": {one: windows[one] for one in oldest}, "promises": self._has_datasets(), "known": known}
        argv = [sys.executable, "-m", "rung.control.alerts.production", str(root), str(state)]
        with (
            self.place.log.open("ab") as log,
            subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=_environment()
            ) as child,
        ):
            self._child = child
            end = threading.Timer(_MOST_S, child.kill)
            end.daemon = True
            end.start()
            assert child.stdin is not None  # noqa: S101  they are pipes
            assert child.stdout is not None  # noqa: S101
            child.stdin.write(json.dumps({**order, "budget_s": _BUDGET_S}))
            child.stdin.close()
            for line in child.stdout:
                found = Found.from_json(json.loads(line))
                for name in windows.get(found.service, ()):
                    self._looked[found.service, name] = time.monotonic()
                yield found
            end.cancel()
        self._child = None
        if child.returncode and not self._is_over:
            raise UnavailableError(f"the look at production ended with {child.returncode}", hint="see control.log")


def _environment() -> dict[str, str]:
    """Give what the process that looks inherits: one thread is enough for what nobody waits for."""
    return {**os.environ, "POLARS_MAX_THREADS": "1"}
