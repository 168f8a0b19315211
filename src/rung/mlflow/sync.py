"""The process that mirrors to MLflow: `python -m rung.mlflow.sync WORKSPACE STATE`; nobody waits for it.

A training that was kept starts it; so does the control plane, where something happened or waits. What it says is in
`.rung/log/mlflow.log`.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from rung.errors import RungError
from rung.training._mirror import mirroring
from rung.workspace import Workspace

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Hand over what waits; the exit status is that of the error, 0 when nothing waits any more."""
    root, state = map(Path, arguments)
    workspace = Workspace(root=root, state=state)
    settings = workspace.settings().mlflow
    if settings is None:
        return 0
    while True:
        with mirroring(state) as is_free:
            if not is_free:
                return 0  # whoever does it now looks again when it is done
            told, code = _hand_over(workspace, settings.tracking)
        sys.stdout.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {told}\n")
        if code or not _waits(workspace, settings.tracking):  # what waits came at the very end
            return code


def _hand_over(workspace: Workspace, tracking: str) -> tuple[str, int]:
    """Do it; give what there is to tell, and the exit status."""
    from rung.mlflow._connect import connect  # noqa: PLC0415  it takes seconds: the lock comes first
    from rung.mlflow._mirror import mirror  # noqa: PLC0415  as above
    from rung.registry import open_registry  # noqa: PLC0415  as above

    try:
        client = connect(workspace, tracking)
        with open_registry(workspace.state, workspace.registry_url(), upgrades=False) as registry:
            done = mirror(workspace, registry, client, tracking=tracking)
    except RungError as error:
        return str(error), error.exit_code
    return f"{done.runs} runs and {done.models} revisions were handed over", 0


def _waits(workspace: Workspace, tracking: str) -> bool:
    from rung.mlflow._mirror import behind  # noqa: PLC0415  as above
    from rung.registry import open_registry  # noqa: PLC0415  as above

    with open_registry(workspace.state, workspace.registry_url(), upgrades=False) as registry:
        return bool(behind(workspace, registry, tracking))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
