"""Where notebooks are: `housing/explore` is `experiments/housing/notebooks/explore.ipynb`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from rung.errors import CallError, ConflictError, NotFoundError
from rung.notebooks._source import Source
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from rung.workspace import Workspace

__all__ = ["Notebook", "find", "lay_down", "notebooks"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_TEMPLATE: Final = "notebook.ipynb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebook:
    """A notebook of a service."""

    service: str
    name: str
    path: Path

    def __str__(self) -> str:
        return f"{self.service}/{self.name}"

    def read(self) -> Source:
        """Read it.

        Raises:
            NotFoundError: There is no such notebook.
            CallError: The file is no notebook.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            raise NotFoundError(
                f"there is no notebook {self}", hint=f"`rung notebook new {self.service} {self.name}` lays one down"
            ) from None
        return Source.parse(data, name=str(self.path))


def find(workspace: Workspace, reference: str) -> Notebook:
    """Give the notebook that `SERVICE/NAME` names, whether its file is there or not.

    Raises:
        CallError: It is not of that form.
        NotFoundError: There is no such service.
    """
    service, slash, name = reference.partition("/")
    if not slash:
        raise CallError(f"{reference!r} names no notebook", hint="write SERVICE/NAME, as housing/explore")
    if not _NAME.fullmatch(name):
        raise CallError(
            f"{name!r} cannot name a notebook", hint="use letters, digits, _ and -, at most 63; leave .ipynb away"
        )
    folder = workspace.service(service).folder / "notebooks"
    return Notebook(service=service, name=name, path=folder / f"{name}.ipynb")


def notebooks(workspace: Workspace, service: str | None = None) -> list[Notebook]:
    """Give the notebooks of a service, or of all, sorted."""
    services = workspace.services() if service is None else [workspace.service(service).name]
    return [
        Notebook(service=one, name=path.stem, path=path)
        for one in services
        for path in sorted((workspace.experiments / one / "notebooks").glob("*.ipynb"))
        if _NAME.fullmatch(path.stem)
    ]


def lay_down(workspace: Workspace, service: str, name: str) -> Notebook:
    """Write a new notebook: parameters, what comes in, what goes out.

    Raises:
        ConflictError: There is one of that name.
    """
    notebook = find(workspace, f"{service}/{name}")
    if notebook.path.exists():
        raise ConflictError(f"{notebook.path} is there already", hint="choose another name")
    text = files("rung.notebooks").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    notebook.path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(notebook.path, text.replace("{{service}}", service).replace("{{name}}", name).encode())
    return notebook
