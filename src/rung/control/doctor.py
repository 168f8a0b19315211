"""`rung doctor`: looks at a workspace and its platform, finds what is wrong, and names the command that mends it.

Each examination is a small function that gives findings; it reads, and changes nothing. One that cannot be made at all
is a finding itself. Works without a control plane, and beside one.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import httpx2
import psutil

from rung._http import verify
from rung.artifacts import verify as verify_artifact
from rung.compute.environments import Environments
from rung.compute.jobs import Job
from rung.control import leftovers
from rung.control._data_doctor import examine_datasets, examine_lake
from rung.control._finding import Finding
from rung.control._routing import is_served
from rung.control._usage import Usage, idle, idle_told
from rung.control.alerts.desk import examine_channels
from rung.control.deployment.builds import Builds
from rung.control.deployment.trust import Trust
from rung.control.gateways import KIND as GATEWAYS
from rung.control.gateways import Gateways
from rung.control.machines import is_here
from rung.control.place import Address, read_address
from rung.control.scaling import SCALED
from rung.control.servers import COLLECTOR, GATEWAY, Servers
from rung.errors import ControlPlaneError, RungError, WorkspaceError
from rung.gateway import Gateway
from rung.objects import open_objects, probe
from rung.serving import read_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rung.control.place import Place
    from rung.registry import Registry, Revision

__all__ = ["Finding", "examine"]

_FEW_BYTES = 1 << 30
_MANY_BYTES = 1 << 30
_TOLERATED_CLOCK = timedelta(seconds=5)
_PRIVATE = 0o077
_UP = "rung up --detach"


def examine(place: Place, open_registry: Callable[[], Registry], *, deep: bool = False) -> Iterator[Finding]:
    """Look at everything; give what was found, well or not, as it is found.

    Args:
        place: The workspace's folders.
        open_registry: Opens the registry; may raise.
        deep: Read every file of every dataset, and hold it against its digest.
    """
    settings = [*_guarded("settings", partial(_settings, place))]
    yield from settings
    is_read = settings[0].is_well
    yield from _guarded("git", _git)
    yield from _guarded("disk", partial(_disk, place))
    if is_read:
        yield from _guarded("storage", partial(_storage, place))
    try:
        registry = open_registry()
    except RungError as error:
        yield Finding(subject="registry", is_well=False, told=error.message, mend=error.hint)
        return
    with registry:
        now = datetime.now(UTC)
        yield from _guarded("registry", partial(_registry, registry, now))
        address = _address(place)
        yield from _guarded("control plane", partial(_control_plane, place, registry, address))
        yield from _guarded("processes", partial(_strangers, place, registry))
        for revision in registry.revisions():
            if is_served(revision, now):
                yield from _guarded(str(revision.name), partial(_revision, place, registry, revision, address))
                if is_read:
                    yield from _guarded(str(revision.name), partial(_signature, place, revision))
        if is_read:
            yield from _guarded("lake", partial(examine_lake, place, now, is_up=address is not None))
            yield from _guarded("datasets", partial(examine_datasets, place, now, deep=deep))
            yield from _guarded("gateways", partial(_gateways, registry))
            yield from _guarded("idle", partial(examine_idle, place, registry, now))
            yield from _guarded("channels", partial(examine_channels, place, registry))
            yield from _guarded("leftovers", partial(_leftovers, place, registry, now))


def _guarded(subject: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except RungError as error:
        yield Finding(subject=subject, is_well=False, told=error.message, mend=error.hint)
    except OSError as error:
        yield Finding(
            subject=subject, is_well=False, told=f"it cannot be looked at ({error})", mend="check who may read"
        )


def _settings(place: Place) -> Iterator[Finding]:
    place.workspace.settings()
    yield Finding(subject="settings", is_well=True, told=f"{place.workspace.root / 'rung.toml'} is right")
    secret = place.address_file
    if secret.exists() and stat.S_IMODE(secret.stat().st_mode) & _PRIVATE:
        yield Finding(
            subject="settings",
            is_well=False,
            told=f"others may read {secret}, which holds the control plane's token",
            mend=f"chmod 600 {secret}; then rung down and {_UP}, for another token",
        )


def _git() -> Iterator[Finding]:
    is_there = shutil.which("git") is not None
    told = "git is there" if is_there else "git is not installed, and deployments need it"
    yield Finding(subject="git", is_well=is_there, told=told, mend="" if is_there else "install git")


def _storage(place: Place) -> Iterator[Finding]:
    storage = place.workspace.settings().storage
    if storage is not None:
        probe(open_objects(storage))
        yield Finding(subject="storage", is_well=True, told=f"{storage} answers, and refuses to overwrite when told so")


def _disk(place: Place) -> Iterator[Finding]:
    folder = place.workspace.state if place.workspace.state.exists() else place.workspace.root
    free = shutil.disk_usage(folder).free
    is_well = free >= _FEW_BYTES
    yield Finding(
        subject="disk",
        is_well=is_well,
        told=f"{free / (1 << 30):.1f} GiB are free where {folder} lies",
        mend="" if is_well else "rung gc --runs-older-than 30d, or free some space",
    )


def _registry(registry: Registry, now: datetime) -> Iterator[Finding]:
    newest = registry.newest_event()
    if newest is not None and newest.time - now > _TOLERATED_CLOCK:
        ahead = (newest.time - now).total_seconds()
        yield Finding(
            subject="clock",
            is_well=False,
            told=f"the last event was {ahead:.0f} s from now: the clock was set back",
            mend="set the machine's clock by NTP; deadlines count by it",
        )
    yield Finding(subject="registry", is_well=True, told="it opens, and has the schema of this Rung")


def _address(place: Place) -> Address | None:
    """Give where the control plane answers; None when it does not."""
    with suppress(ControlPlaneError, httpx2.TransportError):
        address = read_address(place)
        if httpx2.get(f"{address.url}/healthz", timeout=2, verify=verify(address.url)).is_success:
            return address
    return None


def _control_plane(place: Place, registry: Registry, address: Address | None) -> Iterator[Finding]:
    alive = sorted(_servers(place, registry).alive())
    if address is None:
        told = f"it does not run, but {', '.join(alive)} do" if alive else "it does not run"
        yield Finding(subject="control plane", is_well=not alive, told=told, mend=_UP if alive else "")
        return
    yield Finding(subject="control plane", is_well=True, told=f"it answers at {address.url}")
    for name in (GATEWAY, COLLECTOR):
        if name not in alive:
            log = place.log.with_name(f"{name}.log")
            told, mend = f"the {name} does not run; it is started again and again", f"see {log}"
            yield Finding(subject=name, is_well=False, told=told, mend=mend)
    if GATEWAY in alive:
        port = int(address.gateway.rpartition(":")[2])
        is_ready = Gateway(folder=place.gateway, port=port).ready()
        told = f"it answers at {address.gateway}" if is_ready else "it runs, and has no configuration yet"
        mend = "" if is_ready else f"see {place.log}"
        yield Finding(subject=GATEWAY, is_well=is_ready, told=told, mend=mend)


def _servers(place: Place, registry: Registry) -> Servers:
    """Give the servers; with settings that cannot be read, which is a finding of its own, those of this machine."""
    try:
        return Servers.of(place, registry)
    except WorkspaceError:
        return Servers(place=place, registry=registry)


def _gateways(registry: Registry) -> Iterator[Finding]:
    """Name the gateways elsewhere that are silent: they route as they did last."""
    for subject, event in registry.latest(GATEWAYS).items():
        name, what = subject.removeprefix("@"), event.data["what"]
        if what == "away":
            mend = f"start it again, or `rung gateway forget {name}`"
            yield Finding(subject=f"gateway {name}", is_well=False, told=event.because, mend=mend)
        elif what == "joined":
            yield Finding(subject=f"gateway {name}", is_well=True, told=event.because)


def _strangers(place: Place, registry: Registry) -> Iterator[Finding]:
    """Look for processes that belong to this platform by their command, and are on no record."""
    known = {int(process["pid"]) for process in registry.processes().values() if is_here(process)}
    records = (place.workspace.state / "revisions").glob("*/jobs/**/job.json")
    known |= {process.pid for record in records if (process := Job(record.parent).process()) is not None}
    marks = (str(place.sockets), str(place.workspace.state))
    found = [one for one in _of_platform(marks) if _session(one) not in known]
    for process in found:
        with suppress(psutil.NoSuchProcess):
            told = f"process {process.pid} ({' '.join(process.cmdline()[:4])} ...) is on no record"
            yield Finding(subject="processes", is_well=False, told=told, mend=f"kill {process.pid}")
    if not found:
        yield Finding(subject="processes", is_well=True, told="every process is on record")


def _of_platform(marks: tuple[str, ...]) -> list[psutil.Process]:
    """Give processes that a platform starts (servers, gateway, jobs) and that name one of its folders."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            line = process.cmdline()
            is_ours = any(word in ("rung.control", "rung.cli") or word.endswith("/rung") for word in line)
            if not is_ours and process.uids().real == os.getuid() and any(m in word for word in line for m in marks):
                found.append(process)
    return found


def _session(process: psutil.Process) -> int:
    with suppress(ProcessLookupError):
        return os.getsid(process.pid)
    return -1


def _revision(place: Place, registry: Registry, revision: Revision, address: Address | None) -> Iterator[Finding]:
    """Look whether a served revision has all that its server needs, unchanged, and whether it answers."""
    name = str(revision.name)
    bundle = read_bundle(place.workspace.state, name)
    folder = place.workspace.runs / bundle.run
    for task, digest in bundle.artifacts.items():
        verify_artifact(folder / f"{task}.artifact", digest)
    if not place.source(revision.name).is_dir():
        told = f"its source snapshot {place.source(revision.name)} is gone"
        yield Finding(subject=name, is_well=False, told=told, mend=f"rung teardown {name}, or rung restore")
        return
    if Builds(place, registry, Environments(place.environments)).find(revision.name) is None:
        told = "its environment is gone"
        mend = f"nothing: it is being built again; see rung logs {name} --kind environment" if address else _UP
        yield Finding(subject=name, is_well=False, told=told, mend=mend)
        return
    if address is None:
        yield Finding(subject=name, is_well=True, told=f"{revision.state}; its artifacts are whole")
        return
    scaled = registry.latest(SCALED, revision.name.service).get(name)
    if scaled is not None and scaled.data["replicas"] == 0:
        yield Finding(subject=name, is_well=True, told=f"{revision.state}; it sleeps until somebody asks")
        return
    ready, because = _servers(place, registry).is_ready(name)
    told = f"{revision.state}; its artifacts are whole, it answers" if ready else f"it does not answer: {because}"
    yield Finding(subject=name, is_well=ready, told=told, mend="" if ready else f"see rung logs {name} --kind server")


def _signature(place: Place, revision: Revision) -> Iterator[Finding]:
    """Look whether somebody that is trusted here signed what is served."""
    trust = Trust.of(place)
    if trust.keys.trust_nothing_yet:  # the next control plane takes what is there as it finds it
        return
    verified = trust.check(revision.name)
    if verified.signed_by is None:
        mend = "train the next revision on this platform, or trust the key that signed it: .rung/keys/trusted"
        yield Finding(subject=str(revision.name), is_well=False, told=verified.told, mend=mend)


def examine_idle(place: Place, registry: Registry, now: datetime) -> Iterator[Finding]:
    """Name the revisions that nobody asks: nothing is wrong with them, and they cost."""
    gateway = Gateway(folder=place.gateway, port=1)
    gateways = Gateways(registry=registry, own=gateway)
    asked = Usage(folder=place.usage, registry=registry, gateways=gateways).last().asked
    for name, since in idle(registry.watched(now), asked, place.workspace.settings(), now).items():
        told, mend = idle_told(since, now), f"rung teardown {name}, if nobody will"
        yield Finding(subject=name, is_well=True, told=told, mend=mend)


def _leftovers(place: Place, registry: Registry, now: datetime) -> Iterator[Finding]:
    size = sum(found.size for found in leftovers.find(place, registry, now))
    is_well = size < _MANY_BYTES
    told = f"{size / (1 << 20):,.0f} MiB are needed by nothing"
    yield Finding(subject="leftovers", is_well=is_well, told=told, mend="" if is_well else "rung gc")
