"""Code of a cell: read, and laid out as the body of a function. Pure."""

from __future__ import annotations

import ast
import builtins
import io
import textwrap
import tokenize
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rung.errors import CallError
from rung.notebooks._names import Names, names_of

if TYPE_CHECKING:
    from rung.notebooks._source import Cell

__all__ = ["BUILTIN", "INDENT", "body_of", "parse", "plain", "spliced"]

BUILTIN: Final = frozenset(dir(builtins)) | {"__name__", "display", "get_ipython"}
INDENT: Final = "    "


def plain(cell: Cell) -> Cell:
    """Leave out the lines of another cell that are IPython's: they give no name a meaning."""
    lines = ["pass" if line.startswith(("%", "!")) else line for line in cell.source.splitlines()]
    return replace(cell, source="\n".join(lines))


def parse(cell: Cell) -> Names:
    """Read the names of a cell.

    Raises:
        CallError: It is not plain Python.
    """
    try:
        return names_of(ast.parse(cell.source))
    except SyntaxError as error:
        line = cell.source.splitlines()[(error.lineno or 1) - 1].strip() if cell.source else ""
        if line.startswith(("%", "!", "?")) or line.endswith("?"):
            told = f"cell {cell.number} has {line.split()[0]}, which is IPython's and not Python's"
            raise CallError(told, hint="write it in Python") from error
        raise CallError(f"cell {cell.number} is not Python: {error.msg}: {line}", hint="mend that line") from error


def body_of(cell: Cell, own: Names, *, returned: str | None) -> str:
    """Give the lines of the cell as those of a function; text within a string keeps its place."""
    lines = cell.source.rstrip().splitlines()
    if returned is None:
        row, column = own.last
        lines[row - 1] = spliced(lines[row - 1], column, "return ")
    else:
        lines.append(f"return {returned}")
    inside = _inside_strings("\n".join(lines))
    return "\n".join(
        line if number in inside or not line else INDENT + line for number, line in enumerate(lines, start=1)
    )


def _inside_strings(source: str) -> set[int]:
    """Give the numbers of the lines that begin within a string."""
    found: set[int] = set()
    begun: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(textwrap.dedent(source)).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "STRING":
            found.update(range(token.start[0] + 1, token.end[0] + 1))
        elif kind == "FSTRING_START":  # from Python 3.12 on
            begun.append(token.start[0])
        elif kind == "FSTRING_END":
            found.update(range(begun.pop() + 1, token.end[0] + 1))
    return found


def spliced(line: str, column: int, text: str) -> str:
    """Put text into a line; the syntax tree counts its columns in bytes."""
    data = line.encode()
    return (data[:column] + text.encode() + data[column:]).decode()
