"""What each revision uses, by the day: processor time, memory, requests; and since when nobody has asked it.

The loop samples the processes of all servers and the gateway's counts now and then. Sums are kept in
`.rung/usage/DAY.json`, with the last sample, so that another control plane goes on without counting anything twice.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psutil

from rung.control.gateways import OWN, Gateways
from rung.control.machines import Machines, is_here
from rung.control.servers import revision_of
from rung.errors import UnavailableError, WorkspaceError
from rung.lifecycle import State
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from pathlib import Path

    from rung.compute import local
    from rung.compute.protocol import Handle
    from rung.registry import Registry, Revision
    from rung.settings import Settings

_EVERY_S = 15.0
_NAMED = frozenset({State.CANDIDATE, State.INCUMBENT})
"""States in which a revision that nobody asks is idle: in the others it waits for something, or for a rollback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a revision used in some time."""

    cpu_s: float = 0.0
    """Processor seconds."""
    memory_byte_s: float = 0.0
    """Bytes times seconds."""
    requests: int = 0
    """That the gateway sent to it: production, exact, mirrored, of gates."""
    served_s: float = 0.0
    """Seconds in which its server ran."""

    def __add__(self, other: Use) -> Use:
        return Use(
            cpu_s=self.cpu_s + other.cpu_s,
            memory_byte_s=self.memory_byte_s + other.memory_byte_s,
            requests=self.requests + other.requests,
            served_s=self.served_s + other.served_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was seen of all servers at once."""

    time: float = 0.0
    """Seconds since 1970."""
    cpu_s: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Of each process so far, by revision and process."""
    memory_bytes: Mapping[str, float] = field(default_factory=dict)
    requests: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """As each gateway has counted them since it began, by revision and gateway."""
    asked: Mapping[str, float] = field(default_factory=dict)
    """When a revision was last seen to have been asked, seconds since 1970."""


def between(last: Sample, now: Sample) -> dict[str, Use]:
    """Tell what was used from one sample to the next, by revision. Pure.

    A count that is lower than before began anew: all of it is new.
    """
    return {name: _use_of(name, last, now) for name in now.cpu_s.keys() | now.requests.keys()}


def _use_of(name: str, last: Sample, now: Sample) -> Use:
    before = last.cpu_s.get(name, {})
    cpu_s = sum(max(0.0, used - before.get(process, 0.0)) for process, used in now.cpu_s.get(name, {}).items())
    passed = max(0.0, now.time - last.time) if name in last.cpu_s and name in now.cpu_s else 0.0
    counted = last.requests.get(name, {})
    requests = [(count, counted.get(gateway, 0)) for gateway, count in now.requests.get(name, {}).items()]
    return Use(
        cpu_s=cpu_s,
        memory_byte_s=now.memory_bytes.get(name, 0.0) * passed,
        requests=sum(count - before if count >= before else count for count, before in requests),
        served_s=passed,
    )


@dataclass(slots=True, kw_only=True)
class Usage:
    """Samples and sums of one platform."""

    folder: Path
    registry: Registry
    gateways: Gateways
    machines: Machines = field(default_factory=Machines)
    _looked: float = -math.inf
    """Monotonic seconds."""

    def is_due(self) -> bool:
        """Tell whether it is time to look."""
        return time.monotonic() - self._looked >= _EVERY_S

    def look(self) -> None:
        """Sample all servers, and add what was used since the last sample.

        Raises:
            GatewayError: The own gateway does not tell its counts; nothing is added, and the next look adds it.
        """
        self._looked = time.monotonic()
        last, moment = self.last(), datetime.now(UTC)
        requests = by_revision(self.gateways.counts(), last.requests)
        handles = self.registry.processes()
        seen = sample(handles, requests, moment.timestamp(), elsewhere=self._elsewhere(handles))
        used = between(last, seen)
        asked = {name: seen.time for name, use in used.items() if use.requests}
        seen = Sample(
            time=seen.time,
            cpu_s=seen.cpu_s,
            memory_bytes=seen.memory_bytes,
            requests=seen.requests,
            asked={name: at for name, at in {**last.asked, **asked}.items() if name in {*seen.cpu_s, *requests}},
        )
        today = self.day(moment.date())
        total = {name: today.get(name, Use()) + use for name, use in used.items()}
        document = {"last": asdict(seen), "revisions": {n: asdict(use) for n, use in {**today, **total}.items()}}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path(moment.date()), json.dumps(document).encode())

    def _elsewhere(self, handles: Mapping[str, Handle]) -> dict[str, tuple[str, local.Usage]]:
        """Measure the servers on a cluster; one that does not answer is measured the next time."""
        found = {}
        for process, handle in handles.items():
            if not is_here(handle):
                with suppress(UnavailableError, WorkspaceError):
                    used = self.machines.compute_of(handle).usage(handle)
                    found[process] = (str(handle["actor"]), used)
        return found

    def last(self) -> Sample:
        """Give the last sample; an empty one before the first."""
        newest = max(self.folder.glob("????-??-??.json"), default=None)
        found = None if newest is None else _read(newest)
        return Sample() if found is None else Sample(**{**found["last"], "requests": _counted(found["last"])})

    def day(self, day: date) -> dict[str, Use]:
        """Tell what each revision used on a day, by name."""
        found = _read(self._path(day))
        return {} if found is None else {name: Use(**use) for name, use in found["revisions"].items()}

    def since(self, day: date, *, until: date) -> dict[str, Use]:
        """Tell what each revision used from a day on, until another with all of it."""
        total: dict[str, Use] = defaultdict(Use)
        while day <= until:
            for name, use in self.day(day).items():
                total[name] += use
            day += timedelta(days=1)
        return dict(total)

    def _path(self, day: date) -> Path:
        return self.folder / f"{day.isoformat()}.json"


def by_revision(
    counts: Mapping[str, Mapping[str, int]], before: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """Order counts by revision, then by gateway; a gateway that is not heard from has what it had. Pure.

    Args:
        counts: By gateway, then by revision; of the control plane's own, too.
        before: Of the last sample, by revision, then by gateway.
    """
    found: dict[str, dict[str, int]] = {name: dict(before.get(name, {})) for name in counts[OWN]}
    for gateway, revisions in counts.items():
        for name, count in revisions.items():
            found.setdefault(name, {})[gateway] = count
    return found


def sample(
    processes: Mapping[str, Handle],
    requests: Mapping[str, Mapping[str, int]],
    now: float,
    *,
    elsewhere: Mapping[str, tuple[str, local.Usage]] | None = None,
) -> Sample:
    """Look at the processes of all servers once.

    Args:
        processes: On record, by revision; other names are no servers.
        requests: That the gateways counted so far, by revision.
        now: Seconds since 1970.
        elsewhere: What servers on a cluster use, each with a name that no other one has had.
    """
    sessions = {int(one["pid"]): revision_of(name) for name, one in processes.items() if ".v" in name and is_here(one)}
    cpu_s: dict[str, dict[str, float]] = {}
    own: dict[str, int] = defaultdict(int)
    shared: dict[str, int] = defaultdict(int)
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError, PermissionError):
            name = sessions.get(os.getsid(process.pid))
            if name is not None:
                used, memory = process.cpu_times(), process.memory_info()
                key = f"{process.pid}@{process.create_time():.2f}"
                cpu_s.setdefault(name, {})[key] = round(used.user + used.system, 3)
                own[name] += memory.rss - getattr(memory, "shared", 0)
                shared[name] = max(shared[name], getattr(memory, "shared", 0))  # what workers share counts once
    for process, (unique, used_there) in (elsewhere or {}).items():
        name = revision_of(process)
        cpu_s.setdefault(name, {})[unique] = round(used_there.cpu_s, 3)
        own[name] += used_there.memory_bytes
    memory_bytes = {name: float(own[name] + shared[name]) for name in cpu_s}
    return Sample(time=now, cpu_s=cpu_s, memory_bytes=memory_bytes, requests=dict(requests))


def idle_since(revision: Revision, asked: Mapping[str, float]) -> datetime | None:
    """Tell since when nobody has asked a revision; None in a state in which that says nothing. Pure.

    Args:
        revision: That is served.
        asked: When revisions were last asked, seconds since 1970, by name.
    """
    if revision.state not in _NAMED:
        return None
    last = asked.get(str(revision.name))
    return revision.since if last is None else max(revision.since, datetime.fromtimestamp(last, UTC))


def idle(
    revisions: Iterable[Revision], asked: Mapping[str, float], settings: Settings, now: datetime
) -> dict[str, datetime]:
    """Name the revisions that nobody has asked for as long as their services' settings say, and since when. Pure.

    Args:
        revisions: That are served.
        asked: When they were last asked, seconds since 1970, by name.
        settings: Of the workspace.
        now: The present.
    """
    found = {}
    for revision in revisions:
        since = idle_since(revision, asked)
        longest = timedelta(seconds=settings.policy(revision.name.service).idle_after_s)
        if since is not None and longest and now - since >= longest:
            found[str(revision.name)] = since
    return found


def idle_told(since: datetime, now: datetime) -> str:
    """Say for how long nobody has asked.

    >>> idle_told(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 10, 12, tzinfo=UTC))
    'nobody has asked it for 9.5 days'
    """
    seconds = (now - since).total_seconds()
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"nobody has asked it for {seconds / size:.3g} {unit}"
    return f"nobody has asked it for {seconds:.0f} s"


def _counted(last: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Give the counts of a sample; before there were several gateways, it had those of the only one."""
    counts = last.get("requests", {}).items()
    return {name: count if isinstance(count, dict) else {OWN: count} for name, count in counts}


def _read(path: Path) -> dict[str, Any] | None:
    """Read a day; None when there is none, or it cannot be read: what it counted is lost, and nothing else."""
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found
