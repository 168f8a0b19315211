"""The services that `rung new` lays down. They are real services on real data, and our end-to-end tests."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from rung import __version__
from rung.errors import ConflictError, NotFoundError
from rung.schema._name import check_service_name
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.workspace import Workspace

__all__ = ["Template", "fill", "lay_down", "names", "template", "workflow"]

_PLACEHOLDER = "{{service}}"
_WORD = re.compile(r"\{\{(\w+)\}\}")
_SALES_KEY = "--key parcel,sold_on --time sold_on"
_CONTRACT = f"--contract experiments.{_PLACEHOLDER}.schema.data"
_TEXT = frozenset({".py", ".md", ".ipynb", ".txt", ".toml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What a service can begin as."""

    summary: str
    """What it does, for the help."""
    data: tuple[str, ...]
    """Files that it trains on, each with a page that tells source and licence."""
    first: tuple[str, ...] = ()
    """Commands before the first training, with `{{service}}` for its name."""

    def before_training(self, service: str) -> list[str]:
        """Give the commands that bring a service its data."""
        return [command.replace(_PLACEHOLDER, service) for command in self.first]


_TEMPLATES = {
    "housing": Template(summary="prices of houses from a table", data=("houses.parquet", "houses.md")),
    "parcels": Template(
        summary="prices of houses by their number: datasets, and features fetched inside",
        data=("houses.parquet", "houses.md"),
        first=(
            "python -m experiments.{{service}}.deliveries",
            f"rung data ingest data/deliveries/parcels.parquet --name parcels --key parcel {_CONTRACT}:Parcel",
            f"rung data ingest 'data/deliveries/sales-199[345].csv' --name sales {_SALES_KEY} {_CONTRACT}:Sale",
        ),
    ),
    "sentiment": Template(summary="classes of sentences, two routes", data=("sentences.parquet", "sentences.md")),
}


def names() -> list[str]:
    """Name the templates."""
    return sorted(_TEMPLATES)


def template(name: str) -> Template:
    """Give a template.

    Raises:
        NotFoundError: There is none of this name.
    """
    if name not in _TEMPLATES:
        raise NotFoundError(f"there is no template {name!r}", hint=f"the templates are {', '.join(names())}")
    return _TEMPLATES[name]


def workflow(ci: str) -> str:
    """Give the workflow of a CI system, `github` or `gitlab`, that installs this version of Rung."""
    text = (Path(str(files("rung.templates"))) / "ci" / f"{ci}.yml").read_text(encoding="utf-8")
    return text.replace("{{rung}}", f"rung[lint,platform,test]=={__version__}")


def lay_down(name: str, service: str, workspace: Workspace) -> Path:
    """Write a service's package into the workspace, and the data that it trains on.

    Args:
        name: The template's.
        service: The name of the new service.
        workspace: Where it goes.

    Raises:
        CallError: The name cannot name a service.
        NotFoundError: There is no such template.
        ConflictError: A service of that name is there.
    """
    return _write(name, service, workspace, data=template(name).data)


def fill(service: str, workspace: Workspace, *, words: Mapping[str, str], more: Mapping[str, bytes]) -> Path:
    """Write the package of a service that begins as a notebook into the workspace.

    Args:
        service: The name of the new service.
        workspace: Where it goes.
        words: What is filled in, by the name that stands for it.
        more: Further files, by their paths in the package.

    Raises:
        CallError: The name cannot name a service.
        ConflictError: A service of that name is there.
    """
    return _write("notebook", service, workspace, words=words, more=more)


def _write(
    name: str,
    service: str,
    workspace: Workspace,
    *,
    words: Mapping[str, str] | None = None,
    more: Mapping[str, bytes] | None = None,
    data: tuple[str, ...] = (),
) -> Path:
    """Write a package: whole, or nothing of it."""
    check_service_name(service)
    target = workspace.experiments / service
    if target.exists():
        raise ConflictError(f"{target} is there already", hint="choose another name, or work on that service")
    source = Path(str(files("rung.templates")))
    partial = target.with_name(f".{service}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for path in sorted((source / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                _copy(path, partial / path.relative_to(source / name), {**(words or {}), "service": service})
        for place, content in (more or {}).items():
            (partial / place).parent.mkdir(parents=True, exist_ok=True)
            (partial / place).write_bytes(content)
        _make_packages(partial)
        _copy_data(source / "data", workspace.root / "data", data)
        (workspace.experiments / "__init__.py").touch()
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return target


def _copy(path: Path, target: Path, words: Mapping[str, str]) -> None:
    """Copy a file; in text, words in double braces give way to what they stand for, once: that is not looked at."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in _TEXT:
        text = path.read_text(encoding="utf-8")
        target.write_text(_WORD.sub(lambda word: words.get(word[1], word[0]), text), encoding="utf-8")
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
    for name in files_wanted:
        target.mkdir(exist_ok=True)
        if not (target / name).exists():  # whole or not there: what is there is never written again
            write_atomically(target / name, (source / name).read_bytes())
