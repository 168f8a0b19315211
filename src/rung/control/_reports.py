"""Reports on production for who asks the API, made beside the control plane by `python -m rung.monitoring`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Final

from rung.errors import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from rung.workspace import Workspace

__all__ = ["reports"]

_MOST_S: Final = 100.0
_AT_ONCE: Final = threading.BoundedSemaphore(2)
"""So many are made at a time; who asks beside them waits."""


def reports(workspace: Workspace, name: str, *, since_s: float) -> bytes:
    """Make the reports of a service, a major or a revision, as JSON (`report_to_json`).

    Args:
        workspace: Whose service it is.
        name: Of a service, a major or a revision.
        since_s: How far to look back, seconds.

    Raises:
        NotFoundError: None of them answered production in that time.
        UnavailableError: The lake cannot be read, or it took too long.
    """
    argv = [sys.executable, "-m", "rung.monitoring", str(workspace.root), str(workspace.state), name, str(since_s)]
    with _AT_ONCE:
        try:
            ended = subprocess.run(
                argv, capture_output=True, timeout=_MOST_S, check=False, env={**os.environ, "POLARS_MAX_THREADS": "1"}
            )
        except subprocess.TimeoutExpired:
            raise UnavailableError(
                f"the report on {name} was not done within {_MOST_S:.0f} s", hint="ask for a shorter time"
            ) from None
    if ended.returncode == 0:
        return ended.stdout
    try:
        told = json.loads(ended.stdout)
    except ValueError:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        raise UnavailableError(f"the report on {name} failed: {said[-1] if said else ended.returncode}") from None
    kind = NotFoundError if told["code"] == NotFoundError.code else UnavailableError
    raise kind(told["message"], hint=told["hint"])
