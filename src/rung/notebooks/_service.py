"""A new service from a notebook: what follows from it is written, what does not is named. `rung new` calls it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from importlib.metadata import packages_distributions, version
from typing import TYPE_CHECKING, Any, Final

from rung import templates
from rung.errors import CallError, NotFoundError
from rung.notebooks._draft import draft
from rung.notebooks._marks import read_marks
from rung.notebooks._source import Source
from rung.notebooks._tasks import read_tasks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rung.workspace import Workspace

__all__ = ["Begun", "begin_service"]

LEFT: Final = (
    ("schema/request.py", "what the fields mean, and their bounds; the notebook gives names and kinds"),
    ("schema/response.py", "what an answer means, and its bounds"),
    ("schema/service.py", "a business metric that decides: without one nothing is promoted"),
    ("specification.md", "what it is for, who asks; its service levels are placeholders"),
    ("tests/regression.py", "what must hold whatever the model is"),
    ("tests/acceptance.py", "the traffic that you expect"),
)
"""What no notebook says, by file of the package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A service that was begun from a notebook."""

    folder: Path
    tasks: tuple[tuple[str, int], ...]
    """Names, with the numbers of their cells."""
    hyperparameters: tuple[str, ...]
    files: tuple[str, ...]
    """Files that it reads, from the workspace's root."""
    left: tuple[tuple[str, str], ...] = LEFT


def begin_service(workspace: Workspace, service: str, path: Path) -> Begun:
    """Write the package of a new service from a notebook.

    Args:
        workspace: Where it goes.
        service: Its name.
        path: The `.ipynb` file, in which tasks and an example are marked.

    Raises:
        NotFoundError: There is no such file.
        CallError: It is no notebook, or cannot be a service; the message names the cell.
        ConflictError: A service of that name is there.
    """
    data, files = _data(path), _Files(root=workspace.root.resolve(), folder=path.resolve().parent)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-_")[:63] or "notebook"
    try:
        marked = read_marks(Source.parse(data, name="it"))
        tasks = read_tasks(marked, file_of=files.find)
        given = {key: files.rewritten(value) for key, value in marked.parameters.items()}
        words = draft(replace(marked, parameters=given), tasks, service=service, notebook=name, pin=_pinner())
    except CallError as error:
        raise CallError(f"{path.name}: {error.message}", hint=error.hint) from error
    folder = templates.fill(service, workspace, words=words, more={f"notebooks/{name}.ipynb": data})
    return Begun(
        folder=folder,
        tasks=tuple((task.name, task.cell) for task in tasks.tasks),
        hyperparameters=tuple(marked.parameters),
        files=tuple(files.found),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """Files that a notebook names, as Jupyter finds them: from its own folder, or else from the workspace's root."""

    root: Path
    folder: Path
    found: dict[str, None] = field(default_factory=dict)

    def find(self, text: str) -> str | None:
        """Give the path from the workspace's root; None for a text that names no file.

        Raises:
            CallError: The file is not in the workspace.
        """
        try:
            path = next((one for place in (self.folder, self.root) if (one := (place / text)).is_file()), None)
        except (OSError, ValueError):  # no path at all: too long, or with zero bytes
            return None
        if path is None:
            return None
        if not path.resolve().is_relative_to(self.root):
            raise CallError(
                f"it reads {text}, which lies outside of the workspace", hint="copy it into the workspace's data/"
            )
        name = path.resolve().relative_to(self.root).as_posix()
        self.found[name] = None
        return name

    def rewritten(self, value: Any) -> Any:
        """Give the value of a parameter; a file that tasks read as it is found from the root."""
        found = self.find(value) if isinstance(value, str) else None
        return value if found is None else found


def _data(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}", hint="name the notebook's file, as explore.ipynb") from None
    except OSError as error:
        raise CallError(f"{path} cannot be read: {error.strerror}", hint="name a file that you may read") from error


def _pinner() -> Callable[[str], list[str]]:
    """Give what pins the distributions of a module."""
    known = packages_distributions()
    return lambda module: [f"{one}=={version(one)}" for one in sorted(set(known.get(module, ())))]
