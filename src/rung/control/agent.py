"""A gateway elsewhere: asks the control plane what it shall route, and keeps an Envoy that does. `rung gateway run`.

What it was told last lies on disk, beside Envoy's own files. So Envoy goes on, or starts again, while the control plane
is away; and an agent that was killed finds the Envoy that it started, which never noticed.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from rung import __version__
from rung.compute import local
from rung.control._access_log import AccessLog
from rung.control.servers import clean_environment
from rung.errors import ConflictError, GatewayError, RungError
from rung.gateway import from_json, version_of
from rung.workspace import write_atomically

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

    from rung.gateway import Gateway, Routing

__all__ = ["Agent", "reachable"]

_TICK_S: Final = 0.5
_AGAIN_S: Final = 1.0  # between two starts of Envoy
_LOG_EVERY_S: Final = 30.0
_TOLD: Final = 2_000  # characters of a problem
_PROCESS: Final = "process.json"
_BEFORE: Final = "before.json"
"""Of the Envoy that was taken over from: it is told to end by its successor, and must not stay when that is killed."""

_log = structlog.get_logger("rung.gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Applied:
    """What Envoy was made to route last."""

    version: str  # of the routing
    configuration: str  # that Envoy names as its own, when it has it


def reachable(routing: Routing) -> tuple[Routing, str]:
    """Give what of a routing can be routed from here, and what cannot, in a sentence: outcomes may stay behind.

    Raises:
        GatewayError: A revision answers on a unix socket of another machine, or of another user.
    """
    for backend in routing.backends:
        away = next((endpoint for endpoint in backend.endpoints if not _is_here(endpoint)), None)
        if away is not None:
            raise GatewayError(
                f"{backend.revision} answers at {away}, which is not reachable from this machine",
                hint="sockets are for gateways beside the control plane: serve on a cluster, `rung up --compute ray`",
            )
    if routing.outcomes is not None and not _is_here(routing.outcomes):
        told = f"outcomes are refused here: the collector at {routing.outcomes} is not reachable from this machine"
        return replace(routing, outcomes=None), told
    return routing, ""


def _is_here(endpoint: str) -> bool:
    if not endpoint.startswith("unix:"):
        return True
    return os.access(Path(endpoint.removeprefix("unix:")).parent, os.X_OK)


def _tried(work: Callable[[], None]) -> str:
    """Do something; say what hindered it."""
    try:
        work()
    except RungError as error:
        return f"{error.message}; {error.hint}" if error.hint else error.message
    return ""


@dataclass(slots=True, kw_only=True)
class Agent:
    """One gateway's."""

    name: str
    url: str  # for consumers
    gateway: Gateway
    ask: Callable[[str, Any], Any]  # sends a body to a path of the control plane, and gives its answer
    _wanted: tuple[str, Mapping[str, Any]] | None = None
    _problem: str = ""
    _left_out: str = ""
    _started: float = field(default=-_AGAIN_S)
    _log_at: float = 0.0

    def run(self, stop: threading.Event) -> None:
        """Follow the control plane until told to stop; then finish what was begun, and end Envoy.

        Raises:
            ConflictError: Another agent runs in this folder.
        """
        with self._alone():
            self.take_over()
            while not stop.is_set():
                self.tick()
                stop.wait(_TICK_S)
            self.end()

    def take_over(self) -> None:
        """Take up the Envoy that an earlier agent started; another one takes over from it when the settings changed."""
        before = self._read(_PROCESS)
        if before is None or self._process() is None or not self.gateway.is_outdated():
            return
        self._keep(_BEFORE, before)
        try:
            self.gateway.replace(self._start)
        except GatewayError as error:
            self._keep(_PROCESS, before)
            _log.warning("not_replaced", gateway=self.name, because=error.message)
        else:
            _log.info("replaced", gateway=self.name)

    def tick(self) -> None:
        """Do once what there is to do; what fails is told, and tried again at the next tick."""
        works = (self._ensure, self._talk, self._follow, self._tend)
        problems = [told for work in works if (told := _tried(work))]
        problem = problems[0] if problems else self._left_out
        if problem != self._problem:
            _log.warning("problem", gateway=self.name, because=problem or "none any more")
        self._problem = problem

    def end(self) -> None:
        """Say goodbye, let consumers go elsewhere, and end Envoy."""
        with suppress(RungError):
            self.ask(f"/gateways/{self.name}/leave", {})
        if self._process() is not None:
            _log.info("draining", gateway=self.name)
            with suppress(GatewayError):
                self.gateway.drain()
        for name in (_PROCESS, _BEFORE):
            found = self._read(name)
            if found is not None:
                local.stop(local.Process.from_json(found))
            (self.gateway.folder / name).unlink(missing_ok=True)
        _log.info("down", gateway=self.name)

    def _ensure(self) -> None:
        """Start Envoy unless it runs: with the configuration that is on disk."""
        if self._process() is None and time.monotonic() - self._started >= _AGAIN_S:
            self._started = time.monotonic()
            self.gateway.prepare()
            self._start(self.gateway.command())
            _log.info("envoy_started", gateway=self.name, url=self.url)

    def _talk(self) -> None:
        """Report, and hear what shall be routed."""
        applied = self._applied()
        has_it = self.gateway.ready() and self.gateway.version() == applied.configuration
        traffic = self.gateway.traffic() if has_it else {}
        report = {
            "instance": self._instance(),
            "release": __version__,
            "url": self.url,
            "applied": applied.version if has_it else "",
            "problem": self._problem[:_TOLD],
            "requests": self.gateway.requests() if has_it else {},
            "in_flight": {name: seen.in_flight for name, seen in traffic.items() if seen.in_flight},
        }
        answer = self.ask(f"/gateways/{self.name}/report", report)
        if answer["routing"] is not None:
            self._wanted = answer["version"], answer["routing"]

    def _follow(self) -> None:
        """Route as the control plane wants it."""
        if self._wanted is None or not self.gateway.ready():
            return
        version, document = self._wanted
        applied = self._applied()
        if applied.version == version and self.gateway.version() == applied.configuration:
            return
        routing = from_json(document)
        if version_of(routing) != version:
            raise GatewayError("a routing came that is not what its version says", hint="use one version of Rung")
        routing, self._left_out = reachable(routing)
        configuration = self.gateway.apply(routing)
        self._keep("applied.json", {"version": version, "configuration": configuration})
        _log.info("routed", gateway=self.name, version=version, revisions=len(routing.backends))

    def _tend(self) -> None:
        """Take a renewed certificate, and begin the access log anew when it is long."""
        if self.gateway.renew():
            _log.info("certificate_renewed", gateway=self.name)
        if time.monotonic() - self._log_at >= _LOG_EVERY_S:
            self._log_at = time.monotonic()
            AccessLog(gateway=self.gateway, packed=self.gateway.folder / "access").look()

    def _start(self, command: list[str]) -> None:
        wanted = local.Command(
            argv=tuple(command),
            folder=self.gateway.folder,
            environment=clean_environment(os.environ),
            log=self.gateway.folder / "gateway.log",
        )
        local.start(wanted, record=lambda process: self._keep(_PROCESS, process.to_json()))

    def _process(self) -> local.Process | None:
        found = self._read(_PROCESS)
        process = None if found is None else local.Process.from_json(found)
        return process if process is not None and local.alive(process) else None

    def _applied(self) -> _Applied:
        found = self._read("applied.json")
        return _Applied(version="", configuration="") if found is None else _Applied(**found)

    def _instance(self) -> str:
        """Give what tells this folder from another one whose agent has the same name."""
        found = self._read("instance.json")
        if found is None:
            found = {"instance": secrets.token_hex(8)}
            self._keep("instance.json", found)
        return str(found["instance"])

    def _keep(self, name: str, document: Mapping[str, Any]) -> None:
        write_atomically(self.gateway.folder / name, json.dumps(document).encode(), private=True)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.gateway.folder / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        folder = self.gateway.folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / "agent.lock").open("w") as lock:
            try:
                fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError(f"a gateway runs in {folder}", hint="stop it, or give another --folder") from None
            yield
