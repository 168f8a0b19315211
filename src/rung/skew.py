"""`rung features verify`: was a revision given in production what its training would have joined?

What was fetched is on record with each prediction. The revision's own code joins the datasets again, in its own
environment, at the instants and the versions of then. Called by the CLI.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from rung.compute.environments import Environments, Lock
from rung.compute.threads import thread_limits
from rung.control.place import Place
from rung.control.servers import revision_environment
from rung.errors import NotFoundError, TaskError
from rung.lake import open_lake
from rung.registry import open_registry

if TYPE_CHECKING:
    from datetime import datetime

    from rung.schema import RevisionName
    from rung.workspace import Workspace

__all__ = ["verify_served"]


def verify_served(workspace: Workspace, name: RevisionName, *, since: datetime | None, most: int) -> dict[str, Any]:
    """Join again what a revision was served, and compare bit for bit.

    Args:
        workspace: Where it serves.
        name: The revision.
        since: Only predictions from this instant on; None: all.
        most: The newest so many of them.

    Returns:
        `predictions` and `rows` that were compared, how many rows are `different`, and the first `differences`.

    Raises:
        NotFoundError: There is no such revision, or its source is gone.
        EnvironmentBuildError: Its environment cannot be made again.
        TaskError: Its code cannot join the datasets of then; the message says why.
    """
    place = Place(workspace=workspace)
    python = _python(place, name)
    with tempfile.TemporaryDirectory(prefix="rung-served-") as folder:
        path = Path(folder) / "served.jsonl"
        _write(place, name, path, since=since, most=most)
        command = [str(python), "-m", "rung.features.verify", "--service", name.service, "--served", str(path)]
        ended = subprocess.run(
            command,
            cwd=place.source(name),
            env={
                **revision_environment(place, name),
                **thread_limits(1),
            },  # as they were materialised: sums depend on it
            check=False,
            capture_output=True,
            text=True,
        )
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines()
        raise TaskError(f"{name} cannot verify what it was served: {lines[-1] if lines else 'it said nothing'}")
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _python(place: Place, name: RevisionName) -> Path:
    """Give the interpreter of the revision's environment, which is made again where it is gone."""
    with open_registry(place.workspace.state, place.workspace.registry_url()) as registry:
        key = registry.revision(name).environment
    if not place.source(name).is_dir():
        raise NotFoundError(f"the source of {name} is gone from {place.source(name)}", hint="is there a backup?")
    environments = Environments(place.environments)
    found = environments.find(key) if key else None
    lock = place.revision(name) / "requirements.lock"
    return (found or environments.ensure(Lock(text=lock.read_text()))).python


def _write(place: Place, name: RevisionName, path: Path, *, since: datetime | None, most: int) -> None:
    """Write a line for each prediction: its id, and what was fetched for it."""
    lake = open_lake(place.workspace)
    lake.ship()
    fetched = lake.predictions().filter(
        pl.col("service") == name.service, pl.col("revision") == str(name), pl.col("features").is_not_null()
    )
    if since is not None:
        fetched = fetched.filter(pl.col("date") >= since.date(), pl.col("time") >= since)
    rows = fetched.select("id", "time", "features").top_k(most, by="time").collect()
    with path.open("w", encoding="utf-8") as lines:
        lines.writelines(f"{json.dumps([row[0], row[2]])}\n" for row in rows.iter_rows())
