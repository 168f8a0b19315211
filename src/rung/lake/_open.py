"""The lake of a workspace, with what its settings say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rung.lake._lake import Lake
from rung.lake._privacy import privacy_of
from rung.objects import open_objects

if TYPE_CHECKING:
    from rung.workspace import Workspace

__all__ = ["open_lake"]


def open_lake(workspace: Workspace) -> Lake:
    """Open the lake of a workspace: in its storage, where there is one; logs and ledgers are on this machine.

    Whoever ships must open it by this: what services leave out of their log is left out by the shipper.

    Raises:
        WorkspaceError: `rung.toml` cannot be read, or others may read the key of the hashes.
    """
    settings, folder = workspace.settings(), workspace.state / "lake"
    privacies = {name: privacy_of(workspace, name) for name in settings.services}
    storage = settings.storage if settings.compute_address else None  # only nodes of a cluster send lines there
    return Lake(
        workspace.lake(),
        logs=folder / "log",
        kept=folder / "ledgers",
        privacies={name: privacy for name, privacy in privacies.items() if privacy is not None},
        sent=None if storage is None else open_objects(storage),
    )
