"""The processes of a platform: gateway, collector of outcomes, one server for each served revision.

Each is on record before it begins (registry, `processes`), so the next control plane finds and adopts it. The loop asks
for what should run; what runs already is left alone.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx2

from rung._http import connect
from rung.compute.local import Command, Usage
from rung.compute.protocol import ENDPOINT, Machine, Work
from rung.compute.threads import thread_limits
from rung.control.machines import Machines, process_of
from rung.errors import LeaseLostError, UnavailableError, WorkspaceError
from rung.infrastructure import Infrastructure
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rung.compute.local import Process
    from rung.compute.protocol import Handle, Parcel, Seen
    from rung.control.machines import Kind
    from rung.control.place import Place
    from rung.gateway import Gateway
    from rung.infrastructure import ServingHardware
    from rung.registry import Registry
    from rung.schema import RevisionName
    from rung.serving import Bundle
    from rung.workspace import Workspace

COLLECTOR = "collector"
GATEWAY = "gateway"
GATEWAY_BEFORE = "gateway-before"
"""One that was taken over from, and finishes what it has begun."""
_AGAIN_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)  # before the n-th restart in a row
_STEADY_S = 30.0  # a process that ran so long has not crashed at its start
_TEST = {"x-rung-route": "test"}  # logged as a test, so that no A/B test and no sum counts it
_AT_ONCE = 16  # servers that are stopped at a time
_LOOK_S = 2.0  # for an answer of a health check
_SECRETS = ("PGPASSWORD", "OPENLINEAGE_API_KEY", "RAY_AUTH_TOKEN")  # Rung's own, beside RUNG_*


@dataclass(slots=True)
class Servers:
    """Starts and stops the processes of one platform."""

    place: Place
    registry: Registry
    machines: Machines = field(default_factory=Machines)
    token: str | None = None
    """What servers with an address demand."""
    asleep: frozenset[str] = frozenset()
    """Revisions that have no server because nobody asks; the first request wakes them."""
    _crashes: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Restarts in a row, and when the last one was (monotonic seconds), by process."""
    _ending: set[str] = field(default_factory=set)
    """Processes that finish what they have begun."""
    _seen: dict[str, Seen] = field(default_factory=dict)
    """What was seen of each process last."""

    @classmethod
    def of(cls, place: Place, registry: Registry) -> Self:
        """Give those of a platform, on the computes of its settings."""
        settings = place.workspace.settings()
        token = None if settings.compute_address is None else server_token(place.workspace.state / "keys")
        return cls(place=place, registry=registry, machines=Machines.of(settings), token=token)

    @property
    def variables(self) -> dict[str, str]:
        """What a process is told that connects to servers, or is one with an address."""
        return {} if self.token is None else {"RUNG_SERVER_TOKEN": self.token}

    def running(self, name: str) -> Process | None:
        """Give a process that is on record, lives, and runs on this machine."""
        found = self.registry.processes().get(name)
        if found is None or name not in self._look({name: found}):
            return None
        return process_of(found)

    def alive(self) -> frozenset[str]:
        """Name the processes that are on record and live."""
        return self._look(self.registry.processes())

    def _look(self, handles: Mapping[str, Handle]) -> frozenset[str]:
        seen = self.machines.observe(handles, self._seen)
        for name, one in seen.items():
            before = self._seen.get(name)
            lost = one.endpoint is None and before is not None  # its machine: it is routed as before until it has one
            self._seen[name] = replace(one, endpoint=before.endpoint) if lost and before else one
        return frozenset(name for name, one in seen.items() if one.state != "ended")

    def ensure(self, name: str, work: Callable[[], Work], *, on: Kind | None = "local") -> bool:
        """Start a process unless it runs; one that crashes again and again is started ever more slowly.

        Args:
            name: Of the process.
            work: Says what to start; called when it does not run.
            on: Where; None: where the settings say.

        Returns:
            Whether it runs now.
        """
        found = self.registry.processes().get(name)
        if found is not None and self._look({name: found}):
            return True
        count, last = self._crashes.get(name, (0, 0.0))
        now = time.monotonic()
        if now - last > _STEADY_S:
            count = 0
        if now - last < _AGAIN_S[min(count, len(_AGAIN_S) - 1)]:
            return False
        wanted = work()  # before it counts: what cannot be started yet has not crashed
        self._crashes[name] = (count + 1, now)
        if found is not None and process_of(found) is None:
            self.machines.compute_of(found).stop(found)  # a cluster keeps the machine until it is given back
        self.machines.compute(on).start(wanted, record=lambda handle: self.registry.keep_process(name, handle))
        return True

    def stop(self, name: str, *, grace_s: float = 10.0) -> None:
        """Stop a process, letting it finish what it has begun, and forget it.

        Raises:
            LeaseLostError: Another control plane leads, and the process is its.
        """
        self.registry.check_lead()
        found = self.registry.processes().get(name)
        if found is not None:
            self._ending.add(name)
            try:
                self.machines.compute_of(found).stop(found, grace_s)
                self.registry.forget_process(name)
            finally:
                self._ending.discard(name)
        self._crashes.pop(name, None)
        self._seen.pop(name, None)

    def stop_all(self) -> dict[str, str]:
        """Stop everything: servers, collector, then the gateway; remove their sockets.

        Returns:
            Why something was not stopped, by name: it stays on record, for whoever leads next.

        Raises:
            LeaseLostError: As `stop`.
        """
        gateways, left = {GATEWAY, GATEWAY_BEFORE}, dict[str, str]()

        def stop(name: str) -> None:
            try:
                self.stop(name)
            except LeaseLostError:
                raise
            except (UnavailableError, WorkspaceError) as error:  # its cluster does not answer, or is not named any more
                left[name] = error.message

        names = self.registry.processes().keys()
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # each finishes what it has begun: together they take as long as one
            list(pool.map(stop, sorted(names - gateways)))
        for name in sorted(names & gateways):
            stop(name)
        shutil.rmtree(self.place.sockets, ignore_errors=True)
        return left

    def gateway_work(self, gateway: Gateway) -> Work:
        """Say how to start Envoy."""
        gateway.prepare()
        command = Command(
            argv=tuple(gateway.command()),
            folder=self.place.workspace.root,
            environment=clean_environment(os.environ),
            log=self.place.log.with_name("gateway.log"),
        )
        return Work(name=GATEWAY, command=command)

    def collector_work(self) -> Work:
        """Say how to start the collector of outcomes."""
        command = Command(
            argv=(sys.executable, "-m", "rung.serving.outcomes", "--bind", ENDPOINT),
            folder=self.place.workspace.root,
            environment={**clean_environment(os.environ), "RUNG_LOG": str(self.place.predictions)},
            log=self.place.log.with_name("collector.log"),
        )
        return Work(name=COLLECTOR, command=command, socket=str(self.place.socket(COLLECTOR)))

    @property
    def collector_endpoint(self) -> str:
        """Where the collector listens."""
        return f"unix:{self.place.socket(COLLECTOR)}"

    def server_work(
        self,
        name: RevisionName,
        bundle: Bundle,
        python: Path,
        *,
        bundles: Mapping[str, str],
        replica: int = 1,
        parcel: Parcel | None = None,
    ) -> Work:
        """Say how to start a server of a revision, in its own environment and source snapshot.

        Args:
            name: The revision.
            bundle: Of the revision.
            python: Of its environment.
            bundles: Digests of the bundles that are what was signed, by revision.
            replica: Which of the identical servers, from 1 on.
            parcel: What it needs on a node that does not see the workspace's folder.
        """
        serving = Infrastructure.model_validate(bundle.infrastructure).serving
        process = process_name(name, replica)
        command = Command(
            argv=(str(python), *server_arguments(name, serving, bind=ENDPOINT)),
            folder=self.place.source(name),
            environment={
                **revision_environment(self.place, name),
                **thread_limits(server_threads(serving)),
                "RUNG_LOG": str(self.place.predictions),
                "RUNG_UNIT_HEADER": bundle.unit_header,
                "RUNG_BUNDLES": json.dumps(bundles),
                "PROMETHEUS_MULTIPROC_DIR": str(self.place.sockets / f"{process}.metrics"),
                **({} if self.is_local(serving.compute) else self.variables),
            },
            log=self.place.revision(name) / ("server.log" if replica == 1 else f"server-{replica}.log"),
        )
        machine = Machine(
            vcpus=serving.vcpus, memory_gib=serving.memory_gib, gpus=serving.gpus, disk_gib=serving.disk_gib
        )
        socket = str(self.place.socket(process))
        return Work(name=process, command=command, machine=machine, parcel=parcel, socket=socket)

    def replicas(self, name: RevisionName) -> list[str]:
        """Name the servers of a revision that are on record, the first of them first."""
        found = [process for process in self.registry.processes() if revision_of(process) == str(name)]
        return sorted(found, key=lambda process: (len(process), process))

    def usage(self, process: str) -> Usage:
        """Measure what a process uses; zeros for one that is not on record.

        Raises:
            UnavailableError: The cluster does not answer.
        """
        found = self.registry.processes().get(process)
        if found is None:
            return Usage(memory_bytes=0, cpu_s=0.0, processes=0)
        return self.machines.compute_of(found).usage(found)

    def is_local(self, kind: Kind | None) -> bool:
        """Tell whether servers of which the hardware specification says this run on this machine."""
        return (kind or self.machines.default) == "local"

    def endpoint_of(self, process: str) -> str:
        """Tell where a process listens, or will on this machine: `unix:/...` or `address:port`."""
        if process not in self._seen:
            self.alive()
        seen = self._seen.get(process)
        return (seen.endpoint if seen is not None else None) or f"unix:{self.place.socket(process)}"

    def is_arriving(self, name: str) -> bool:
        """Tell whether a server has a machine, and is brought there what it needs."""
        seen = self._seen.get(name)
        return seen is not None and seen.state == "starting" and bool(seen.node)

    def is_ready(self, name: str) -> tuple[bool, str]:
        """Ask a server whether it could answer a prediction; the reason when it could not. One that sleeps would."""
        if name in self.asleep:
            return True, ""
        if name in self._ending:
            return False, "its server is being stopped"
        seen = self._seen.get(name)
        if seen is not None and seen.state == "starting" and seen.because:
            return False, f"its server has not begun: {seen.because}"
        if seen is not None and seen.state == "ended" and seen.because:
            return False, f"its server has ended: {seen.because}"
        return self._ask(name, "GET", "/readyz")

    def has_answered(self, name: str, example: Mapping[str, Any]) -> tuple[bool, str]:
        """Have a server make real predictions, one on each route of the example; the reason when one failed."""
        for route, body in example.items():
            answered, because = self._ask(name, "POST", f"/{route}", json=body)
            if not answered:
                return False, f"{route}: {because}"
        return True, ""

    def connect(self, process: str, *, timeout_s: float = _LOOK_S) -> httpx2.Client:
        """Give a client of a server, whose requests are logged as tests."""
        return connect(self.endpoint_of(process), headers=_TEST, token=self.token, timeout_s=timeout_s)

    def _ask(self, name: str, method: str, path: str, **more: Any) -> tuple[bool, str]:
        endpoint = self.endpoint_of(name)
        if endpoint.startswith("unix:") and not Path(endpoint[5:]).exists():  # httpx leaves its own socket open there
            return False, "its server does not listen"
        try:
            with self.connect(name) as client:
                answer = client.request(method, path, **more)
        except httpx2.HTTPError as error:
            return False, f"its server does not answer ({type(error).__name__})"
        if answer.status_code == httpx2.codes.OK:
            return True, ""
        return False, str(answer.json().get("detail", answer.status_code))


def server_token(keys: Path) -> str:
    """Read what servers with an address demand; made anew where there is none."""
    path = keys / "servers.token"
    with suppress(FileNotFoundError):
        return path.read_text(encoding="ascii")
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = secrets.token_urlsafe(32)
    write_atomically(path, made.encode(), private=True)
    return made


def process_name(revision: RevisionName, replica: int) -> str:
    """Name a server of a revision.

    >>> from rung.schema import RevisionName
    >>> [process_name(RevisionName.parse("housing.v1.m2"), replica) for replica in (1, 2)]
    ['housing.v1.m2', 'housing.v1.m2~2']
    """
    return str(revision) if replica == 1 else f"{revision}~{replica}"


def revision_of(process: str) -> str:
    """Name the revision that a process serves.

    >>> revision_of("housing.v1.m2~2")
    'housing.v1.m2'
    """
    return process.partition("~")[0]


def server_arguments(name: RevisionName, serving: ServingHardware, *, bind: str) -> tuple[str, ...]:
    """Say what Python is told to start a revision's server, which listens where `bind` says."""
    return (
        *("-m", "rung.serving.server"),
        *("--application", f"experiments.{name.service}.serve.app:app"),
        *("--bind", bind),
        *("--workers", str(serving.gunicorn_workers)),
        *("--timeout", str(max(serving.request_timeout_s * 2, 30))),
        *("--grace", str(serving.request_timeout_s)),
    )


def server_threads(serving: ServingHardware) -> int:
    """Give the threads of numerical libraries that each worker of a server may have."""
    return max(1, serving.vcpus // serving.gunicorn_workers)


def clean_environment(environment: Mapping[str, str], *, with_aws: bool = False) -> dict[str, str]:
    """Give what a process may inherit: nothing of another Python environment, nothing of Rung's own, no credentials.

    Args:
        environment: Of this process.
        with_aws: The `AWS_*` variables, too.
    """
    unwanted = ("RUNG_", "PYTHON", "VIRTUAL_ENV", "PYTEST_", *_SECRETS, *(() if with_aws else ("AWS_",)))
    return {name: value for name, value in environment.items() if not name.startswith(unwanted)}


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out Rung's own settings and the storage's credentials: packages that are built run their authors' code."""
    return {name: value for name, value in environment.items() if not name.startswith(("RUNG_", "AWS_", *_SECRETS))}


def author_environment(workspace: Workspace, service: str) -> dict[str, str]:
    """Give what a process with an author's code may inherit: with a storage, its credentials stay with Rung."""
    settings = workspace.settings()
    with_aws = settings.storage is None or service in settings.aws_variables_for
    return clean_environment(os.environ, with_aws=with_aws)


def revision_environment(place: Place, name: RevisionName) -> dict[str, str]:
    """Give what every process of a revision is told."""
    online_store = place.workspace.settings().online_store
    return {
        **author_environment(place.workspace, name.service),
        "PYTHONPATH": str(place.source(name)),
        "PYTHONUNBUFFERED": "1",
        "RUNG_STATE": str(place.workspace.state),
        "RUNG_DATASETS": place.datasets,
        "RUNG_REVISION": str(name),
        **({} if online_store is None else {"RUNG_ONLINE_STORE": online_store}),
    }
