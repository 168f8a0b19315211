"""What the author owes before a promotion: business metrics, specification, experiment document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rung.control.practice.papers import package_of, read_ab_test, read_paper, read_specification
from rung.documents import parse
from rung.errors import ConflictError
from rung.practice import metrics_without

if TYPE_CHECKING:
    from rung.control.place import Place
    from rung.schema import RevisionName

__all__ = ["check_papers", "read_ab_test", "read_specification"]


def check_papers(place: Place, name: RevisionName, *, written_for: RevisionName) -> None:
    """Hold what a promotion needs.

    Args:
        place: Where revisions lie.
        name: Which one.
        written_for: The revision that its code was written for: itself, unless it was retrained.

    Raises:
        ConflictError: Something is missing, or is still to be written.
        WorkspaceError: The specification cannot be read.
    """
    test = read_ab_test(place, name)
    if lacking := metrics_without(test):
        if test.decision is None:
            lacking = f"{name} has no business metric that could decide an A/B test"
        raise ConflictError(lacking, hint="declare it in schema/service.py: no metrics, no promotion")
    read_specification(place, name)
    document = package_of(place, name) / "experiments" / f"v{written_for.major}.m{written_for.minor}.md"
    if unwritten := parse(read_paper(document, name)).unwritten:
        told = ", ".join(section.lower() for section in unwritten)
        raise ConflictError(
            f"{document.name} of {name} says nothing of: {told}",
            hint="write it, commit, and deploy the next revision; `rung check` asks for it before that",
        )
