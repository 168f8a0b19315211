"""The process that mirrors to MLflow: `python -m rung.mlflow.sync WORKSPACE STATE`; nobody waits for it.

A training that was kept starts it; so does the control plane, where something happened or waits. What it says is in
`.rung/log/mlflow.log`.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from rung.errors import ConflictError, RungError
from rung.mlflow._connect import connect
from rung.mlflow._mirror import behind, mirror
from rung.registry import open_registry
from rung.workspace import Workspace

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Hand over what waits; the exit status is that of the error, 0 when nothing waits any more."""
    root, state = map(Path, arguments)
    workspace = Workspace(root=root, state=state)
    settings = workspace.settings().mlflow
    if settings is None:
        return 0
    try:
        client = connect(workspace, settings.tracking)
        with open_registry(state, workspace.registry_url(), upgrades=False) as registry:
            done = mirror(workspace, registry, client, tracking=settings.tracking)
            while behind(workspace, registry, settings.tracking):  # came when this one was just done
                mirror(workspace, registry, client, tracking=settings.tracking)
        told, code = f"{done.runs} runs and {done.models} revisions were handed over", 0
    except ConflictError:  # the one that does it now looks again before it ends
        return 0
    except RungError as error:
        told, code = str(error), error.exit_code
    sys.stdout.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {told}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
