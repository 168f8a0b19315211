"""What can be learned from: the documents of a workspace, those kept with its revisions, and the reasons on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung.documents._document import document_name, parse
from rung.schema._name import RevisionName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rung.registry import Event
    from rung.workspace import Workspace

_TOLD = frozenset({"verdict", "incumbent", "torn_down", "retired", "failed"})
"""Kinds of events whose reason says something of a revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A document, not read yet."""

    revision: RevisionName
    path: Path
    stamp: str
    """Changes when the file does."""

    def read(self) -> str:
        """Read it."""
        return self.path.read_text(encoding="utf-8", errors="replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of text that can be found."""

    revision: str
    place: str
    """A heading of its document, or the gate or move whose reason it is."""
    text: str


def read_pages(workspace: Workspace, service: str | None = None) -> list[Page]:
    """List the documents, sorted by name: the workspace's, and of revisions whose document is gone there their own."""
    found: dict[RevisionName, Page] = {}
    for path in [*_kept(workspace), *workspace.experiments.glob("*/experiments/v*.m*.md")]:
        numbers = document_name(path.name)
        owner = path.parents[1].name
        if numbers is None or service not in {None, owner}:
            continue
        name = RevisionName(service=owner, major=numbers[0], minor=numbers[1])
        status = path.stat()
        found[name] = Page(revision=name, path=path, stamp=f"{path} {status.st_mtime_ns} {status.st_size}")
    return [found[name] for name in sorted(found)]


def _kept(workspace: Workspace) -> Iterator[Path]:
    """Name the document that each revision was made with."""
    for folder in (workspace.state / "revisions").glob("*.v*.m*"):
        service, _, numbers = folder.name.partition(".")
        path = folder / "source" / "experiments" / service / "experiments" / f"{numbers}.md"
        if path.is_file():
            yield path


def passages_of(page: Page) -> Iterator[Passage]:
    """Cut a document into what is found apart: its title, and each section that says something."""
    document = parse(page.read())
    for place, text in (("title", document.title), *document.sections.items()):
        if text:
            yield Passage(revision=str(page.revision), place=place, text=text)


def reasons_of(events: Iterable[Event]) -> Iterator[Passage]:
    """Give the reasons of verdicts and moves of revisions."""
    for event in events:
        if event.kind in _TOLD and event.because:
            place = f"{event.data.get('gate', '')} gate" if event.kind == "verdict" else event.kind.replace("_", " ")
            yield Passage(revision=event.subject, place=place.strip(), text=event.because)
