"""A Ray cluster on loopback: each node has an address of its own, and can be lost as a machine is."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = "127.0.0.2"  # for 127.0.0.1 Ray puts the machine's address in the network
_START_S = 60.0
_QUICK = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "5",
}
"""As docs/ray.md advises: that a node is lost is known some five seconds later."""


@dataclass(slots=True)
class RayCluster:
    """Nodes of one cluster, all on this machine, that know each other by a token."""

    folder: Path
    port: int
    _nodes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{HEAD}:{self.port}"

    def add(
        self, node: str, *, cpus: float, memory_gib: float = 4, disk_gib: float = 0, hides: Path | None = None
    ) -> None:
        """Start a node with this address, as "127.0.0.3": two at once would take each other's sockets.

        Args:
            node: Its address.
            cpus: It offers.
            memory_gib: It offers.
            disk_gib: It offers; 0: it does not say.
            hides: A folder that it does not see.
        """
        place = [f"--address={self.address}"]
        if node == HEAD:
            place = ["--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        sizes = [f"--num-cpus={cpus}", f"--memory={int(memory_gib * 2**30)}", "--object-store-memory=80000000"]
        sizes += [f'--resources={{"disk_gib": {disk_gib}}}'] if disk_gib else []
        ray = [
            *_without(hides),
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            "--block",
            f"--node-ip-address={node}",
        ]
        with (self.folder / f"{node}.log").open("wb") as log:
            self._nodes[node] = subprocess.Popen(
                [
                    *ray,
                    *place,
                    *sizes,
                    "--num-gpus=0",
                    "--disable-usage-stats",
                    "--include-log-monitor=false",
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **_QUICK, "XDG_STATE_HOME": str(self.state_of(node))},
            )
        self._wait(node)

    def state_of(self, node: str) -> Path:
        """Where programs keep their state on a node."""
        return self.folder / f"{node}.state"

    def _wait(self, node: str) -> None:
        log, deadline = self.folder / f"{node}.log", time.monotonic() + _START_S
        while "Ray runtime started" not in log.read_text():
            assert self._nodes[node].poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)

    def kill(self, node: str) -> None:
        """Lose a node: all its Ray processes at once, without a word to anybody."""
        process = self._nodes.pop(node)
        for one in _family(process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()

    def freeze(self, node: str) -> None:
        """Lose a node as by a cut cable: all that runs on it stands still, what listens at its address too."""
        listening = {one.pid for one in psutil.net_connections("tcp") if one.laddr and one.laddr.ip == node and one.pid}
        for pid in {self._nodes[node].pid, *listening}:
            with contextlib.suppress(psutil.NoSuchProcess):
                for one in _family(pid):
                    one.suspend()

    def close(self) -> None:
        for node in reversed(list(self._nodes)):
            self.kill(node)


def can_hide() -> bool:
    """Tell whether this machine lets a process have mounts of its own."""
    return subprocess.run([*_without(Path("/mnt")), "true"], check=False, capture_output=True).returncode == 0


def _without(folder: Path | None) -> list[str]:
    """Run what follows where a folder is empty."""
    if folder is None:
        return []
    script = 'mount -t tmpfs none "$0" && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(folder)]


def _family(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


@contextlib.contextmanager
def ray_cluster(*, cpus: float = 4, memory_gib: float = 4) -> Iterator[RayCluster]:
    """Run a cluster with a head alone; what this process starts meanwhile knows its token."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: sockets lie in it
    with socket.create_server((HEAD, 0)) as free:
        cluster = RayCluster(folder, free.getsockname()[1])
    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ.update(settings)
    try:
        cluster.add(HEAD, cpus=cpus, memory_gib=memory_gib)
        yield cluster
    finally:
        cluster.close()
        for name in settings:
            del os.environ[name]
        shutil.rmtree(folder, ignore_errors=True)
