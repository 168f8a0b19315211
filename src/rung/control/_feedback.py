"""Datasets of what services answered, brought up to date by itself: what a retraining learns from next comes by it.

Each refresh is a process of its own, one at a time, behind everything else, so that its memory is not the control
plane's. Whoever wants such a dataset makes it once, by `rung data feedback`; here it is only kept up.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from rung.data import open_catalogue
from rung.data.feedback import DOCUMENT, dataset_of
from rung.errors import NotFoundError
from rung.lifecycle import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rung.control.place import Place
    from rung.data import Catalogue
    from rung.registry import Registry

__all__ = ["Feedback", "paces"]

_HOUR_S: Final = 3_600.0
_DAY_S: Final = 86_400.0
_MOST_S: Final = 3_600.0
"""That one refresh may take."""
_NICE: Final = "10"
_BACK: Final = 8
"""Versions that are looked at: of one that a killed process left it is not known what it was made of."""
_OF: Final = dataset_of("x").removeprefix("x")

_log = structlog.get_logger("rung.control")


@dataclass(slots=True)
class _Running:
    """A refresh that goes on."""

    dataset: str
    child: subprocess.Popen[str]
    since: float
    """Monotonic seconds."""


@dataclass(slots=True, kw_only=True)
class Feedback:
    """Keeps these datasets up to date."""

    place: Place
    registry: Registry
    must_forget: frozenset[str]
    """Services of which rows are not kept for ever: what is gone there goes here too, whatever is new."""
    _planned: float = -math.inf
    """Monotonic seconds."""
    _tried: dict[str, float] = field(default_factory=dict)
    """The same, by service."""
    _waiting: list[str] = field(default_factory=list)
    """Services, the first next."""
    _running: _Running | None = None

    def look(self) -> None:
        """See how the refresh that runs goes, plan once an hour, and begin the next one; returns at once.

        Raises:
            UnavailableError: The registry or the catalogue does not answer.
        """
        self._end()
        if time.monotonic() - self._planned >= _HOUR_S:
            self._planned = time.monotonic()
            self._waiting = self._due()
        if self._running is None and self._waiting:
            self._begin(self._waiting.pop(0))

    def close(self) -> None:
        """Stop a refresh that runs: the next one reads on from where the last version ends."""
        if self._running is not None:
            self._running.child.kill()
            self._running.child.communicate()
            self._running = None

    def _due(self) -> list[str]:
        """Name the services whose dataset is to be refreshed now: what must be forgotten first."""
        catalogue = open_catalogue(self.place.workspace)
        there = [name.removesuffix(_OF) for name in catalogue.names() if name.endswith(_OF)]
        now, due = time.monotonic(), []
        for service, pace_s in paces(there, self._retrained()).items():
            last = self._tried.get(service)
            if last is None and service not in self.must_forget:
                last = now - _age_s(catalogue, service)
            if last is None or now - last >= pace_s:
                due.append(service)
        return sorted(due, key=lambda service: service not in self.must_forget)

    def _retrained(self) -> dict[str, int]:
        """Give the shortest cool-down of the retrainings that wait for each dataset's newer versions, by service."""
        settings, found = self.place.workspace.settings(), dict[str, int]()
        for revision in self.registry.watched(datetime.now(UTC)):
            rule = settings.policy(revision.name.service).retraining
            if revision.state is not State.INCUMBENT or not rule.new_data:
                continue
            with suppress(NotFoundError):  # its run is not on record
                for service in _answered(self.registry.run(revision.run)):
                    found[service] = min(rule.cool_down_s, found.get(service, rule.cool_down_s))
        return found

    def _begin(self, service: str) -> None:
        self._tried[service] = time.monotonic()
        catalogue, name = open_catalogue(self.place.workspace), dataset_of(service)
        kinds = [f"--kind={kind}" for kind in _kinds(catalogue, name)]
        if not kinds:
            return  # somebody ingested it under that name
        command = [sys.executable, "-P", "-m", "rung.cli", "data", "feedback", service, *kinds, "--json"]
        child = subprocess.Popen(
            ["nice", "-n", _NICE, *command],
            cwd=self.place.workspace.root,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._running = _Running(dataset=name, child=child, since=time.monotonic())

    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if name != "RUNG_CONTROL"}
        return {**own, "RUNG_STATE": str(self.place.workspace.state), "RUNG_USER": "rung", "POLARS_MAX_THREADS": "1"}

    def _end(self) -> None:
        """Tell how a refresh went that is over; one that takes too long is stopped."""
        running = self._running
        if running is None:
            return
        is_late = time.monotonic() - running.since > _MOST_S
        if is_late:
            running.child.kill()
        elif running.child.poll() is None:
            return
        said, _ = running.child.communicate()
        self._running = None
        told = _read(said)
        if running.child.returncode or told is None:
            error = f"it took more than {_MOST_S:.0f} s" if is_late else _error(told, running.child.returncode)
            _log.warning("feedback_failed", dataset=running.dataset, error=error)
        else:
            new = {name: told[name] for name in ("version", "added", "changed", "forgotten")}
            _log.info("feedback_refreshed", dataset=running.dataset, **new)


def paces(services: Iterable[str], cool_downs: Mapping[str, int]) -> dict[str, float]:
    """Say how often each service's dataset is refreshed, seconds: once a day, or as often as it is waited for. Pure.

    Args:
        services: Whose datasets there are.
        cool_downs: The shortest time between two retrainings that read a service's dataset, seconds, by service.

    >>> paces(["housing", "reviews", "sales"], {"housing": 60, "reviews": 7_200})
    {'housing': 3600.0, 'reviews': 7200.0, 'sales': 86400.0}
    """
    return {name: float(min(max(cool_downs.get(name, _DAY_S), _HOUR_S), _DAY_S)) for name in services}


def _answered(run: Mapping[str, Any]) -> set[str]:
    """Name the services whose answers a training read."""
    read = {one["dataset"] for task in run["tasks"] for one in task.get("data", ()) if "dataset" in one}
    return {name.removesuffix(_OF) for name in read if name.endswith(_OF)}


def _kinds(catalogue: Catalogue, name: str) -> list[str]:
    """Tell which requests count in a dataset; none, where it is not made of a log."""
    newest = catalogue.version(name).number
    for number in range(newest, max(newest - _BACK, 0), -1):
        document = catalogue.kept(name, number, DOCUMENT)
        if document is not None:
            found: list[str] = document["kinds"]
            return found
    return []


def _age_s(catalogue: Catalogue, service: str) -> float:
    """Tell how old the newest version is, seconds."""
    made = datetime.fromisoformat(catalogue.version(dataset_of(service)).time)
    return max(datetime.now(UTC) - made, timedelta(0)).total_seconds()


def _read(said: str) -> dict[str, object] | None:
    try:
        found: dict[str, object] = json.loads(said)
    except ValueError:
        return None
    return found


def _error(told: Mapping[str, object] | None, code: int) -> str:
    error = (told or {}).get("error")
    return str(error.get("message")) if isinstance(error, dict) else f"it ended with {code}"
