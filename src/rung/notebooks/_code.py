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
    from collections.abc import Callable, Iterable, Mapping

    from rung.notebooks._source import Cell

__all__ = ["BUILTIN", "INDENT", "body_of", "parse", "plain", "says_inplace", "shareable_of", "spliced", "with_files"]

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


def shareable_of(cell: Cell) -> Iterable[tuple[str, str]]:
    """Give the functions, classes and constants of a cell, each with its text."""
    lines = cell.source.splitlines()
    for statement in ast.parse(cell.source).body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([statement.lineno, *(one.lineno for one in statement.decorator_list)])
            yield statement.name, "\n".join(lines[first - 1 : statement.end_lineno])
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name) and _is_literal(statement.value):
                yield target.id, ast.unparse(statement)


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def says_inplace(source: str) -> bool:
    return any(
        isinstance(node, ast.keyword)
        and node.arg == "inplace"
        and isinstance(node.value, ast.Constant)
        and node.value.value is True
        for node in ast.walk(ast.parse(source))
    )


def with_files(source: str, file_of: Callable[[str], str | None], parameters: Mapping[str, object]) -> str:
    """Let files be found through `data_file`, which makes their content count: what a call takes first is looked at."""
    places: list[tuple[ast.expr, str]] = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        first = node.args[0]
        if _writes(node):
            continue
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and (path := file_of(first.value)):
            places.append((first, f"data_file({path!r})"))
        elif isinstance(first, ast.Name) and isinstance(given := parameters.get(first.id), str) and file_of(given):
            places.append((first, f"data_file({first.id})"))
    lines = source.splitlines()
    for node, text in sorted(places, key=lambda place: (place[0].lineno, place[0].col_offset), reverse=True):
        if node.lineno == node.end_lineno:
            data = lines[node.lineno - 1].encode()
            cut = (data[: node.col_offset] + data[node.end_col_offset :]).decode()
            lines[node.lineno - 1] = spliced(cut, node.col_offset, text)
    return "\n".join(lines)


def _writes(call: ast.Call) -> bool:
    """Tell whether a call writes the file that it names: a method's name, or the mode of `open`, says so."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    modes = [*call.args[1:2], *(one.value for one in call.keywords if one.arg == "mode")]
    mode = next((one.value for one in modes if isinstance(one, ast.Constant) and isinstance(one.value, str)), "r")
    return name.startswith(("dump", "save", "to_", "write")) or (name == "open" and not mode.startswith("r"))
