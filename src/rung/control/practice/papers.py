"""What lies in the source snapshot and the bundle of a revision: its A/B test, its specification, its documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rung.errors import ConflictError
from rung.schema import ABTest, Specification, parse_specification
from rung.serving import read_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from rung.control.place import Place
    from rung.schema import RevisionName


def read_ab_test(place: Place, name: RevisionName) -> ABTest:
    """Read the A/B test that a revision declares."""
    return ABTest.model_validate(read_bundle(place.workspace.state, str(name)).ab_test)


def read_specification(place: Place, name: RevisionName) -> Specification:
    """Read the specification as it was when the revision was made.

    Raises:
        ConflictError: There is none.
        WorkspaceError: It cannot be read.
    """
    path = package_of(place, name) / "specification.md"
    return parse_specification(read_paper(path, name), name=str(path))


def package_of(place: Place, name: RevisionName) -> Path:
    """Give the package of a service as it was when a revision was made."""
    return place.source(name) / "experiments" / name.service


def read_paper(path: Path, name: RevisionName) -> str:
    """Read a document of a revision.

    Raises:
        ConflictError: There is none.
    """
    try:
        return path.read_text()
    except FileNotFoundError:
        raise ConflictError(
            f"{name} has no {path.parent.name}/{path.name}", hint="write it, commit, and deploy the next revision"
        ) from None
