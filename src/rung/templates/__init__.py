"""The services that `rung new` lays down. They are real services on real data, and our end-to-end tests."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from rung.errors import ConflictError
from rung.schema._name import check_service_name

if TYPE_CHECKING:
    from rung.workspace import Workspace

__all__ = ["lay_down", "names"]

_PLACEHOLDER = "{{service}}"
_TEXT = frozenset({".py", ".md", ".ipynb", ".txt", ".toml"})
_DATA = {"housing": ("houses.parquet", "README.md")}


def names() -> list[str]:
    """Name the templates."""
    return sorted(_DATA)


def lay_down(template: str, service: str, workspace: Workspace) -> Path:
    """Write a service's package into the workspace, and the data that it trains on.

    Raises:
        CallError: The name cannot name a service.
        ConflictError: A service of that name is there.
    """
    check_service_name(service)
    target = workspace.experiments / service
    if target.exists():
        raise ConflictError(f"{target} is there already", hint="choose another name, or work on that service")
    source = Path(str(files("rung.templates")))
    partial = target.with_name(f".{service}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for path in sorted((source / template).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            _copy(path, partial / path.relative_to(source / template), service)
    _make_packages(partial)
    _copy_data(source / "data", workspace.root / "data", _DATA[template])
    workspace.experiments.mkdir(exist_ok=True)
    (workspace.experiments / "__init__.py").touch()
    partial.rename(target)
    return target


def _copy(path: Path, target: Path, service: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in _TEXT:
        target.write_text(path.read_text().replace(_PLACEHOLDER, service))
    else:
        shutil.copyfile(path, target)


def _make_packages(folder: Path) -> None:
    """Put an `__init__.py` at every level that holds Python."""
    for level in {folder, *(path.parent for path in folder.rglob("*.py"))}:
        for package in (level, *level.parents):
            (package / "__init__.py").touch()
            if package == folder:
                break


def _copy_data(source: Path, target: Path, files_wanted: tuple[str, ...]) -> None:
    target.mkdir(exist_ok=True)
    for name in files_wanted:
        if not (target / name).exists():
            shutil.copyfile(source / name, target / name)
