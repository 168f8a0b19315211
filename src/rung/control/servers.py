"""The processes of a platform: gateway, collector of outcomes, one server for each served revision.

Each is on record before it begins (registry, `processes`), so the next control plane finds and adopts it. The loop asks
for what should run; what runs already is left alone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2

from rung.compute import local
from rung.infrastructure import Infrastructure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rung.control.place import Place
    from rung.gateway import Gateway
    from rung.infrastructure import ServingHardware
    from rung.registry import Registry
    from rung.schema import RevisionName
    from rung.serving import Bundle
    from rung.workspace import Workspace

COLLECTOR = "collector"
GATEWAY = "gateway"
_AGAIN_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)  # before the n-th restart in a row
_STEADY_S = 30.0  # a process that ran so long has not crashed at its start
_TEST = {"x-rung-route": "test"}  # logged as a test, so that no A/B test and no sum counts it
_LOOK_S = 2.0  # for an answer of a health check
_SECRETS = ("PGPASSWORD", "OPENLINEAGE_API_KEY")  # Rung's own, beside RUNG_*


@dataclass(slots=True)
class Servers:
    """Starts and stops the processes of one platform."""

    place: Place
    registry: Registry
    _crashes: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Restarts in a row, and when the last one was (monotonic seconds), by process."""

    def running(self, name: str) -> local.Process | None:
        """Give a process that is on record and lives."""
        found = self.registry.processes().get(name)
        if found is None:
            return None
        process = local.Process.from_json(found)
        return process if local.alive(process) else None

    def alive(self) -> frozenset[str]:
        """Name the processes that are on record and live."""
        found = self.registry.processes().items()
        return frozenset(name for name, process in found if local.alive(local.Process.from_json(process)))

    def ensure(self, name: str, command: Callable[[], local.Command]) -> bool:
        """Start a process unless it runs; one that crashes again and again is started ever more slowly.

        Returns:
            Whether it runs now.
        """
        if self.running(name) is not None:
            return True
        count, last = self._crashes.get(name, (0, 0.0))
        now = time.monotonic()
        if now - last > _STEADY_S:
            count = 0
        if now - last < _AGAIN_S[min(count, len(_AGAIN_S) - 1)]:
            return False
        wanted = command()  # before it counts: what cannot be started yet has not crashed
        self._crashes[name] = (count + 1, now)
        local.start(wanted, record=lambda process: self.registry.keep_process(name, process.to_json()))
        return True

    def stop(self, name: str, *, grace_s: float = 10.0) -> None:
        """Stop a process, letting it finish what it has begun, and forget it.

        Raises:
            LeaseLostError: Another control plane leads, and the process is its.
        """
        self.registry.check_lead()
        found = self.registry.processes().get(name)
        if found is not None:
            local.stop(local.Process.from_json(found), grace_s)
            self.registry.forget_process(name)
        self._crashes.pop(name, None)

    def stop_all(self) -> None:
        """Stop everything: servers, collector, then the gateway; remove their sockets."""
        names = self.registry.processes()
        for name in sorted(names, key=lambda name: name == GATEWAY):
            self.stop(name)
        shutil.rmtree(self.place.sockets, ignore_errors=True)

    def gateway_command(self, gateway: Gateway) -> local.Command:
        """Say how to start Envoy."""
        gateway.prepare()
        return local.Command(
            argv=tuple(gateway.command()),
            folder=self.place.workspace.root,
            environment=clean_environment(os.environ),
            log=self.place.log.with_name("gateway.log"),
        )

    def collector_command(self) -> local.Command:
        """Say how to start the collector of outcomes."""
        argv = (sys.executable, "-m", "rung.serving.outcomes", "--bind", self.collector_endpoint)
        return local.Command(
            argv=argv,
            folder=self.place.workspace.root,
            environment={**clean_environment(os.environ), "RUNG_LOG": str(self.place.predictions)},
            log=self.place.log.with_name("collector.log"),
        )

    @property
    def collector_endpoint(self) -> str:
        """Where the collector listens."""
        return f"unix:{self.place.socket(COLLECTOR)}"

    def server_command(
        self, name: RevisionName, bundle: Bundle, python: Path, *, bundles: Mapping[str, str]
    ) -> local.Command:
        """Say how to start a revision's server, in its own environment and source snapshot.

        Args:
            name: The revision.
            bundle: Of the revision.
            python: Of its environment.
            bundles: Digests of the bundles that are what was signed, by revision.
        """
        serving = Infrastructure.model_validate(bundle.infrastructure).serving
        metrics = self.place.sockets / f"{name}.metrics"
        return local.Command(
            argv=(str(python), *server_arguments(name, serving, bind=self.endpoint(name))),
            folder=self.place.source(name),
            environment={
                **revision_environment(self.place, name),
                **thread_limits(server_threads(serving)),
                "RUNG_LOG": str(self.place.predictions),
                "RUNG_UNIT_HEADER": bundle.unit_header,
                "RUNG_BUNDLES": json.dumps(bundles),
                "PROMETHEUS_MULTIPROC_DIR": str(metrics),
            },
            log=self.place.revision(name) / "server.log",
        )

    def endpoint(self, name: RevisionName) -> str:
        """Where a revision's server listens."""
        return f"unix:{self.place.socket(str(name))}"

    def is_ready(self, name: str) -> tuple[bool, str]:
        """Ask a server whether it could answer a prediction; the reason when it could not."""
        return self._ask(name, "GET", "/readyz")

    def has_answered(self, name: str, example: Mapping[str, Any]) -> tuple[bool, str]:
        """Have a server make real predictions, one on each route of the example; the reason when one failed."""
        for route, body in example.items():
            answered, because = self._ask(name, "POST", f"/{route}", json=body)
            if not answered:
                return False, f"{route}: {because}"
        return True, ""

    def connect(self, name: str, *, timeout_s: float = _LOOK_S) -> httpx2.Client:
        """Give a client of a server; each request has a connection of its own, so that they reach all workers."""
        transport = httpx2.HTTPTransport(
            uds=str(self.place.socket(name)), verify=False, limits=httpx2.Limits(max_keepalive_connections=0)
        )
        return httpx2.Client(transport=transport, base_url="http://server", headers=_TEST, timeout=timeout_s)

    def _ask(self, name: str, method: str, path: str, **more: Any) -> tuple[bool, str]:
        if not self.place.socket(name).exists():  # httpx leaves its own socket open where there is none to connect to
            return False, "its server does not listen"
        try:
            with self.connect(name) as client:
                answer = client.request(method, path, **more)
        except httpx2.HTTPError as error:
            return False, f"its server does not answer ({type(error).__name__})"
        if answer.status_code == httpx2.codes.OK:
            return True, ""
        return False, str(answer.json().get("detail", answer.status_code))


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


def thread_limits(threads: int) -> dict[str, str]:
    """Keep numerical libraries to the processors that were asked for: neighbours share the machine."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
    return dict.fromkeys(names, str(threads))
