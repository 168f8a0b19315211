"""The gallery: notebooks that ran, with what came of them, found by their words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rung import artifacts
from rung.errors import IntegrityError, NotFoundError
from rung.notebooks._begin import KIND
from rung.notebooks._session import TASK
from rung.notebooks._source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rung.registry import Registry
    from rung.workspace import Workspace

__all__ = ["Hit", "executed", "executed_bytes", "listed", "search"]

_AROUND: Final = 80  # characters of a line that a hit shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Where the words of a search were found."""

    run: Mapping[str, Any]
    """The record."""
    cell: int
    """Number of the first cell that has all of them; 0 when only the notebook as a whole has."""
    line: str
    """A line that has one of them."""


def listed(registry: Registry, service: str | None = None, *, limit: int = 20) -> list[dict[str, Any]]:
    """Give the records of notebooks that ran, the newest first."""
    return registry.runs(service, kind=KIND, limit=limit)


def executed_bytes(workspace: Workspace, record: Mapping[str, Any]) -> bytes:
    """Give the `.ipynb` file that a run left, with its outputs.

    Raises:
        NotFoundError: The run is not one of a notebook, or was killed before it could leave anything.
        IntegrityError: The file is gone or damaged.
    """
    digest = next((task["digest"] for task in record["tasks"] if task["name"] == TASK), None)
    if record.get("kind") != KIND or digest is None:
        raise NotFoundError(f"run {record['id']} has no executed notebook", hint="`rung notebook list` names those")
    data: bytes = artifacts.decode(artifacts.LocalStore(workspace.artifacts).get(digest), digest=digest)
    return data


def executed(workspace: Workspace, record: Mapping[str, Any]) -> Source:
    """Give the notebook that a run left, with its outputs.

    Raises:
        NotFoundError: As `executed_bytes`.
        IntegrityError: As `executed_bytes`.
    """
    return Source.parse(executed_bytes(workspace, record), name=f"the notebook of run {record['id']}")


def search(workspace: Workspace, records: list[dict[str, Any]], text: str) -> Iterator[Hit]:
    """Find notebooks whose source and outputs have all the words, in any case; those that are gone are passed over.

    Args:
        workspace: Where they ran.
        records: Of the runs to look at.
        text: Words, separated by spaces.
    """
    words = text.casefold().split()
    for record in records:
        try:
            found = _hit(record, executed(workspace, record), words)
        except (NotFoundError, IntegrityError):
            continue
        if found is not None:
            yield found


def _hit(record: Mapping[str, Any], notebook: Source, words: list[str]) -> Hit | None:
    texts = {0: str(record["source"])} | {cell.number: f"{cell.source}\n{cell.text}" for cell in notebook.cells}
    everything = "\n".join(texts.values()).casefold()
    if not all(word in everything for word in words):
        return None
    whole = (number for number, said in texts.items() if all(word in said.casefold() for word in words))
    number = next(whole, 0)
    said = texts[number] if number else everything
    line = next((one for one in said.splitlines() if any(word in one.casefold() for word in words)), "")
    return Hit(run=record, cell=number, line=line.strip()[:_AROUND])
