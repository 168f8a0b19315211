"""The winner of a study as a change of the author's source."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.errors import ConflictError
from rung.tuning._proposal import patch, with_defaults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.workspace import Workspace

__all__ = ["changed_files", "propose_patch"]


def changed_files(model: Any, values: Mapping[str, Any]) -> dict[Path, tuple[str, str]]:
    """Give the files in which defaults are written, each as it is and as it would be.

    Args:
        model: The hyperparameter model; its fields may come from classes that it inherits from.
        values: By field, the new default.

    Raises:
        ConflictError: A default is not written where it can be changed.
    """
    changed: dict[Path, tuple[str, str]] = {}
    for name, value in values.items():
        home = next(one for one in model.__mro__ if name in inspect.get_annotations(one))
        path = Path(inspect.getsourcefile(home) or "")
        before, now = changed.get(path) or (path.read_text(encoding="utf-8"),) * 2
        changed[path] = before, with_defaults(now, home.__name__, {name: value})
    return changed


def propose_patch(workspace: Workspace, model: Any, values: Mapping[str, Any]) -> str:
    """Give the change as `git apply` takes it; empty where the defaults are not written as plain values."""
    try:
        changed = changed_files(model, values)
    except ConflictError:
        return ""
    top = next((one for one in (workspace.root, *workspace.root.parents) if (one / ".git").exists()), workspace.root)
    return "".join(
        patch(before, after, path.resolve().relative_to(top.resolve()).as_posix())
        for path, (before, after) in changed.items()
    )
