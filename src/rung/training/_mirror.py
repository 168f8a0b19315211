"""Runs are mirrored to MLflow by a process of its own, where `rung.toml` names a tracking server.

Called when a run was kept. It imports nothing of MLflow, waits for nothing and never raises: the run is on record here.
"""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from rung.workspace import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.workspace import Workspace

__all__ = ["mirror_soon", "mirroring"]

_SECTION: Final = b"[mlflow]"
_DETACHED: Final = 'log=$1; shift; nice -n 19 "$@" >>"$log" 2>&1 </dev/null &'
"""It belongs to nobody, and lets everybody else go first."""


def mirror_soon(workspace: Workspace) -> None:
    """Let what MLflow does not have yet be handed over to it; returns at once."""
    with contextlib.suppress(OSError):
        if _SECTION not in (workspace.root / MARKER).read_bytes():
            return
        with mirroring(workspace.state) as is_free:
            if not is_free:
                return  # whoever does it now looks again when it is done
        log = workspace.state / "log" / "mlflow.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "rung.mlflow.sync", str(workspace.root), str(workspace.state)]
        subprocess.run(["/bin/sh", "-c", _DETACHED, "sh", str(log), *argv], check=False, start_new_session=True)


@contextlib.contextmanager
def mirroring(state: Path) -> Iterator[bool]:
    """Be the only process that hands runs over for the length of the block; give False when another one is."""
    path = state / "mlflow" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
