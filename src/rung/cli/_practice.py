"""The practice where no control plane runs: the same reads, from the workspace and the registry alone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rung.cli import _remote
from rung.control.place import Place
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.control.practice.practice import Practice


def is_stopped() -> bool:
    """Tell whether no control plane was started here, and none elsewhere is named.

    Raises:
        WorkspaceError: This is no workspace, and no control plane elsewhere is named.
    """
    return _remote.chosen() is None and not Place(workspace=find()).address_file.exists()


@contextmanager
def here() -> Iterator[Practice]:
    """Give the practice of this workspace.

    Raises:
        UnavailableError: Its registry does not answer.
    """
    from rung.control.practice.practice import Practice
    from rung.registry import open_registry

    workspace = find()
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        yield Practice(Place(workspace=workspace), registry)
