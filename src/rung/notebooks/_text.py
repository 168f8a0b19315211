"""A notebook as lines for a terminal. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.notebooks._source import Cell, Source

__all__ = ["to_lines"]

_COLOUR: Final = re.compile("\x1b\\[[0-9;]*[A-Za-z]")
_MOST_LINES: Final = 40
"""Of one output; the page has all of them."""


def to_lines(notebook: Source, *, failed_only: bool = False) -> Iterator[str]:
    """Give what is written in each cell and what came of it.

    Args:
        notebook: That ran.
        failed_only: Only the cell that raised.
    """
    for cell in notebook.cells:
        if failed_only and cell.error is None:
            continue
        yield f"[{cell.number}] {cell.kind}{_tags(cell)}"
        yield from (f"    {line}" for line in cell.source.splitlines())
        yield from (f"  | {line}" for line in _said(cell))
        yield ""


def _tags(cell: Cell) -> str:
    return f" ({', '.join(cell.tags)})" if cell.tags else ""


def _said(cell: Cell) -> Iterator[str]:
    traced = "\n".join(map(str, cell.error.get("traceback", ()))) if cell.error is not None else ""
    lines = _COLOUR.sub("", "\n".join(filter(None, (cell.text, traced)))).splitlines()
    yield from lines[:_MOST_LINES]
    if len(lines) > _MOST_LINES:
        yield f"... and {len(lines) - _MOST_LINES:,} more lines"
