"""What the author owes before a promotion: business metrics, specification, experiment document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rung.errors import ConflictError
from rung.schema import ABTest, RevisionName, Specification, parse_specification
from rung.serving import read_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from rung.control.place import Place


def check_papers(place: Place, name: RevisionName, *, written_for: RevisionName) -> None:
    """Hold what a promotion needs.

    Args:
        place: Where revisions lie.
        name: Which one.
        written_for: The revision that its code was written for: itself, unless it was retrained.

    Raises:
        ConflictError: Something is missing or empty.
        WorkspaceError: The specification cannot be read.
    """
    if read_ab_test(place, name).decision is None:
        raise ConflictError(
            f"{name} has no business metric that could decide an A/B test",
            hint="declare one in schema/service.py: no metrics, no promotion",
        )
    read_specification(place, name)
    document = _folder(place, name) / "experiments" / f"v{written_for.major}.m{written_for.minor}.md"
    if not _read(document, name).strip():
        raise ConflictError(f"{document.name} of {name} is empty", hint="write what was tried and why")


def read_ab_test(place: Place, name: RevisionName) -> ABTest:
    """Read the A/B test that a revision declares."""
    return ABTest.model_validate(read_bundle(place.workspace.state, str(name)).ab_test)


def read_specification(place: Place, name: RevisionName) -> Specification:
    """Read the specification as it was when the revision was made.

    Raises:
        ConflictError: There is none.
        WorkspaceError: It cannot be read.
    """
    path = _folder(place, name) / "specification.md"
    return parse_specification(_read(path, name), name=str(path))


def _folder(place: Place, name: RevisionName) -> Path:
    return place.source(name) / "experiments" / name.service


def _read(path: Path, name: RevisionName) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        raise ConflictError(
            f"{name} has no {path.parent.name}/{path.name}", hint="write it, commit, and deploy the next revision"
        ) from None
