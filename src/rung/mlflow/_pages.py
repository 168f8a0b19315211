"""MLflow's own server on loopback, from an environment of its own: for `rung mlflow ui`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx2

from rung.compute.environments import Environments, Lock
from rung.errors import BrokenError
from rung.mlflow._connect import located

if TYPE_CHECKING:
    from collections.abc import Callable

    from rung.workspace import Workspace

__all__ = ["LOCK", "python_of", "serve"]

LOCK: Final = Path(__file__).with_name("server.txt")
_UP_S: Final = 120.0
_POLL_S: Final = 0.2


def python_of(environments: Path) -> Path:
    """Give the Python that has all of MLflow; made once.

    Raises:
        EnvironmentBuildError: It cannot be installed.
    """
    lock = Lock(text=f"# Python {sys.version_info[0]}.{sys.version_info[1]}\n{LOCK.read_text(encoding='utf-8')}")
    return Environments(environments, with_rung=False).ensure(lock).python


def serve(
    workspace: Workspace, tracking: str, *, port: int, ready: Callable[[], None], environments: Path | None = None
) -> int:
    """Serve the pages of a database on loopback until somebody stops them; give the exit status.

    Args:
        workspace: From whose root the database is named.
        tracking: `sqlite:///FILE`.
        port: Of loopback.
        ready: Is called when they answer.
        environments: Folder for MLflow's environment; None: the workspace's.

    Raises:
        EnvironmentBuildError: MLflow cannot be installed.
        BrokenError: The server ended, or does not answer.
    """
    python = python_of(environments or workspace.state / "environments")
    options = ["--backend-store-uri", located(workspace, tracking), "--host", "127.0.0.1", "--port", str(port)]
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RUNG_"))}
    process = subprocess.Popen(
        [str(python), "-m", "mlflow", "server", *options, "--workers", "1"],
        cwd=workspace.state,
        env={**quiet, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        stdout=sys.stderr,
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}/health")
        ready()
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + _UP_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise BrokenError(f"MLflow's server ended with {process.returncode}", hint="what it said is above")
        try:
            if httpx2.get(url, timeout=2.0).is_success:
                return
        except httpx2.TransportError:
            time.sleep(_POLL_S)
    raise BrokenError(f"MLflow's server does not answer at {url}", hint="is the port free?")
