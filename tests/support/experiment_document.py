"""An experiment document that says what has to be said before the code."""

from __future__ import annotations

from rung.documents import PLANNED


def written(title: str, text: str = "It is better than before.") -> str:
    """Give the text of a document."""
    return "\n\n".join([f"# {title}", *(f"## {section}\n\n{text}" for section in PLANNED)]) + "\n"
