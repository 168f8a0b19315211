"""Where the reports of a service of a workspace are read: its lake, its store, its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rung.artifacts import LocalStore
from rung.lake import open_lake
from rung.monitoring._drift import Limits
from rung.monitoring._gather import Sources
from rung.monitoring._ledger import KEEP_DAYS
from rung.schema import check_service_name

if TYPE_CHECKING:
    from rung.lake import Lake
    from rung.workspace import Workspace

__all__ = ["open_sources"]


def open_sources(
    workspace: Workspace, service: str, *, limits: Limits | None = None, lake: Lake | None = None
) -> Sources:
    """Say where the reports of a service are read.

    Args:
        workspace: Whose service it is.
        service: Its name.
        limits: When something is an alarm; None: as `Limits` has it.
        lake: Of the workspace, where it is open already.

    Raises:
        SchemaError: It is no name of a service.
        WorkspaceError: `rung.toml` cannot be read.
    """
    retention = workspace.settings().policy(check_service_name(service)).log.retention_days
    return Sources(
        lake=lake or open_lake(workspace),
        store=LocalStore(workspace.artifacts),
        state=workspace.state,
        limits=limits or Limits(),
        keep_days=min(retention or KEEP_DAYS, KEEP_DAYS),
    )
