"""Runs are mirrored to MLflow by a process of its own, where `rung.toml` names a tracking server.

Called when a run was kept. It imports nothing of MLflow, waits for nothing and never raises: the run is on record here.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from rung.workspace import MARKER

if TYPE_CHECKING:
    from rung.workspace import Workspace

__all__ = ["mirror_soon"]

_SECTION: Final = b"[mlflow]"
_DETACHED: Final = 'log=$1; shift; nice -n 10 "$@" >>"$log" 2>&1 </dev/null &'
"""It belongs to nobody, and lets everybody else go first."""


def mirror_soon(workspace: Workspace) -> None:
    """Let what MLflow does not have yet be handed over to it; returns at once."""
    with contextlib.suppress(OSError):
        if _SECTION in (workspace.root / MARKER).read_bytes():
            log = workspace.state / "log" / "mlflow.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            argv = [sys.executable, "-m", "rung.mlflow.sync", str(workspace.root), str(workspace.state)]
            subprocess.run(["/bin/sh", "-c", _DETACHED, "sh", str(log), *argv], check=False, start_new_session=True)
