"""A platform for tests: a workspace in a short temporary path, driven by commands as a person types them.

Whoever makes one ends it with `end`, which leaves no process, socket or folder behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import psutil
from typed import typed

from rung.compute.local import Process, alive
from rung.compute.local import find as find_process
from rung.control.machines import process_of
from rung.control.place import Address, Place, read_address
from rung.registry import open_registry
from rung.schema import RevisionName
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_GIT = ("git", "-c", "user.name=tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")
_ASKING = frozenset(
    [
        *("ab", "alerts", "approve", "audit", "consumer", "contract", "cost", "deploy", "history", "logs", "metrics"),
        *("monitor", "offpolicy", "promote", "reject", "revive", "rollback", "shadow", "status", "teardown", "token"),
    ]
)
_RUNNING = {("contract", "check")}
"""Of those, what runs the service's code."""
SETTINGS = ["gateway_port = 0", "control_port = 0"]
"""Of every platform; a run of the stories on other machines adds theirs."""


@dataclass(slots=True, kw_only=True)
class LivePlatform:
    """One workspace and what runs for it."""

    folder: Path
    """Holds the workspace and the sockets, and nothing else."""
    root: Path
    """The workspace."""
    watchers: list[subprocess.Popen[str]] = field(default_factory=list)
    """Commands in the background."""
    python: str = sys.executable
    """Runs the commands: another one is another Rung."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What is set beside what is there: other stores than files."""

    @classmethod
    def begin(cls, python: str = sys.executable, variables: Mapping[str, str] | None = None) -> LivePlatform:
        """Make an empty workspace in git; nothing is started."""
        folder = Path(tempfile.mkdtemp(prefix="rung-live-"))
        platform = cls(folder=folder, root=folder / "w", python=python, variables=variables or {})
        platform.sockets.mkdir(mode=0o700)
        platform.root.mkdir()
        platform.rung("init", ".")
        (platform.root / "rung.toml").write_text("\n".join([*SETTINGS, ""]))
        return platform

    # --- commands ---

    @property
    def environment(self) -> dict[str, str]:
        """What commands inherit: nothing of pytest's, and a folder of this platform's own for sockets."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON", "RUNG_"))
        }
        return {**kept, "XDG_RUNTIME_DIR": str(self.sockets), **self.variables}

    def rung(self, *words: str, expect: int | None = 0, timeout_s: float = 400) -> subprocess.CompletedProcess[str]:
        """Type a command and wait for its end."""
        ended = self._typed(*words) if self._only_asks(*words) else self._started(*words, timeout_s=timeout_s)
        told = f"rung {' '.join(words)} ended with {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        assert expect is None or ended.returncode == expect, told
        return ended

    def _only_asks(self, *words: str) -> bool:
        """Tell whether a command does no more than ask the control plane; then it needs no interpreter of its own."""
        return self.python == sys.executable and words[0] in _ASKING and words[:2] not in _RUNNING

    def _typed(self, *words: str) -> subprocess.CompletedProcess[str]:
        hidden = dict.fromkeys(os.environ.keys() - self.environment.keys())
        return typed(self.root, *words, environment=hidden | self.environment)

    def _started(self, *words: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, "-m", "rung.cli", *words],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    def ask(self, *words: str, expect: int | None = 0) -> Any:
        """Ask for JSON."""
        return json.loads(self.rung(*words, "--json", expect=expect).stdout)

    def begin_command(self, *words: str) -> subprocess.Popen[str]:
        """Type a command and go on while it runs."""
        process = subprocess.Popen(
            [self.python, "-m", "rung.cli", *words],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.watchers.append(process)
        return process

    def commit(self, message: str = "change") -> None:
        """Commit everything."""
        subprocess.run([*_GIT, "add", "--all"], cwd=self.root, check=True)
        subprocess.run([*_GIT, "commit", "--quiet", "--allow-empty", "--message", message], cwd=self.root, check=True)

    def deploy(self, service: str) -> str:
        """Commit, train and serve the next revision; give its name."""
        self.commit()
        name: str = self.ask("deploy", "training", service)["id"]
        self.rung("deploy", "serving", name)
        return name

    # --- looks ---

    @property
    def place(self) -> Place:
        """Where its control plane keeps things."""
        return Place(workspace=find(self.root))

    @property
    def address(self) -> Address:
        """Where its control plane listens."""
        return read_address(self.place)

    @property
    def gateway(self) -> str:
        """URL for consumers."""
        return self.address.gateway

    @property
    def sockets(self) -> Path:
        """Where its sockets lie, in a folder that `rung down` removes."""
        return self.folder / "s"

    def api(self, path: str, *, method: str = "GET", **more: Any) -> httpx2.Response:
        """Call the control plane."""
        address = self.address
        headers = {"authorization": f"Bearer {address.token}", "x-rung-user": "tester"}
        return httpx2.request(method, f"{address.url}{path}", headers=headers, timeout=30, verify=False, **more)

    def revision(self, name: str) -> dict[str, Any]:
        """Tell of one revision."""
        answer = self.api(f"/revisions/{name}")
        answer.raise_for_status()
        return answer.json()

    def states(self) -> dict[str, str]:
        """Give each revision's state."""
        return {
            revision["id"]: revision["state"]
            for service in self.api("/status").json()["services"]
            for major in service["majors"]
            for revision in major["revisions"]
        }

    def recorded(self) -> dict[str, Process]:
        """Give the processes on record, by name."""
        url = self.variables.get("RUNG_REGISTRY") or self.place.workspace.registry_url()
        with open_registry(self.place.workspace.state, url) as registry:
            found = registry.processes()
        processes = {name: process_of(handle) or self._on_cluster(name) for name, handle in found.items()}
        return {name: process for name, process in processes.items() if process is not None}

    def _on_cluster(self, name: str) -> Process | None:
        """Find a server that a cluster runs, on whichever of its nodes: all of them are on this machine."""
        wanted = {"RUNG_REVISION": name.partition("~")[0], "RUNG_STATE": str(self.place.workspace.state)}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                is_server = "rung.serving.server" in process.cmdline() and _is_master(process)
                if is_server and wanted.items() <= process.environ().items():
                    return find_process(process.pid)
        return None

    def server_log(self, name: str) -> str:
        """Read the log of a revision's server."""
        return (self.place.revision(RevisionName.parse(name)) / "server.log").read_text()

    def processes(self) -> list[psutil.Process]:
        """Find every process of this platform, whoever is its parent: each names the folder."""
        return [process for process in psutil.process_iter() if _names(process, str(self.folder))]

    def wait(self, is_so: Callable[[], bool], *, within_s: float = 60) -> None:
        """Wait until something is so."""
        began = looked = time.monotonic()
        while not is_so():
            now = time.monotonic()
            assert now - began < within_s, f"not within {within_s:g} s: {self.rung('status', expect=None).stdout}"
            time.sleep(max(0.1, now - looked))  # a look that takes long takes half of a processor at the most
            looked = time.monotonic()

    # --- ends ---

    def left(self, *, within_s: float) -> list[psutil.Process]:
        """Give what still runs after a while: an interpreter needs a moment to end."""
        deadline = time.monotonic() + within_s
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def end(self) -> None:
        """Stop everything, first as a person would, then by pid; remove the folder."""
        try:
            self.rung("down", expect=None)
        finally:
            left = self.left(within_s=20)
            told = [" ".join(process.cmdline()) for process in left]
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            for watcher in self.watchers:
                _kill(watcher)
            shutil.rmtree(self.folder, ignore_errors=True)
        assert not left, f"`rung down` left {told}"


@contextlib.contextmanager
def live_platform(python: str = sys.executable, variables: Mapping[str, str] | None = None) -> Iterator[LivePlatform]:
    """Give a platform for as long as the block lasts."""
    platform = LivePlatform.begin(python, variables)
    try:
        yield platform
    finally:
        platform.end()


def kill(pid: int) -> None:
    """Kill a process that a test's platform started, and wait until it is gone."""
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(psutil.TimeoutExpired):
        process.wait(60)


def is_alive(process: Process) -> bool:
    """Tell whether a process on record runs."""
    return alive(process)


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _names(process: psutil.Process, folder: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return any(folder in word for word in process.cmdline()) or any(
            folder in value for value in process.environ().values()
        )
    except psutil.Error:
        return False


def _is_master(server: psutil.Process) -> bool:
    """Tell whether a process is gunicorn's own, and not one of its workers."""
    parent = server.parent()
    return parent is None or "rung.serving.server" not in parent.cmdline()
