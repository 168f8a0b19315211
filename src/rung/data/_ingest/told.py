"""An ingest as others are told of it: an OpenLineage event when it begins, and one when it ended. `ingest` calls it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from rung.errors import WorkspaceError
from rung.openlineage import emit_ingest
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Callable

    from rung.data._ingest.result import Ingested
    from rung.data._ingest.run import Task

__all__ = ["told"]


def told(task: Task, work: Callable[[Task], Ingested]) -> Ingested:
    """Do an ingest and tell of it; a dry run, and one outside of a workspace, are nobody's news."""
    try:
        workspace = None if task.is_dry else find()
    except WorkspaceError:
        workspace = None
    if workspace is None:
        return work(task)
    tell = partial(emit_ingest, workspace, task.name, run=f"{task.name} {time.time_ns()}", source=task.source)
    tell(status="running")
    try:
        done = work(task)
    except BaseException as error:
        tell(status="failed", error=str(error) or type(error).__name__)
        raise
    tell(status="succeeded", version=None if done.version is None else done.version.to_json())
    return done
