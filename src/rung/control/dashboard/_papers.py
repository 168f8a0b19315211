"""What an author wrote, as a revision has it: read from its source snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rung.cards import read_front, read_sections

if TYPE_CHECKING:
    from rung.control.place import Place
    from rung.schema import RevisionName

__all__ = ["document", "specification"]

_LONGEST = 200_000  # characters of what a page shows


def specification(place: Place, name: RevisionName) -> dict[str, Any] | None:
    """Give what a specification says on top, and its sections; None where there is none."""
    text = _read(place, name, "specification.md")
    return None if text is None else {"front": read_front(text), "sections": read_sections(text)}


def document(place: Place, name: RevisionName) -> str:
    """Give the experiment document; "" where there is none."""
    return _read(place, name, f"experiments/v{name.major}.m{name.minor}.md") or ""


def _read(place: Place, name: RevisionName, path: str) -> str | None:
    try:
        whole = (place.source(name) / "experiments" / name.service / path).read_text("utf-8", errors="replace")
    except OSError:
        return None
    return whole[:_LONGEST]
