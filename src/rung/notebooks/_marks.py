"""Marks that tell what a cell is for in a service: a tag, or a comment as its first line. Pure.

`# task: NAME` makes a cell a task of the training, `# example` the one request and answer that the schema begins with.
"""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from rung.errors import CallError
from rung.graph import HYPERPARAMETERS
from rung.notebooks._code import parse
from rung.notebooks._source import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.notebooks._source import Cell, Source

__all__ = ["MODEL", "Example", "Marked", "annotation", "read_marks"]

MODEL: Final = "build_model"
"""The task whose output answers requests."""
_MARK: Final = re.compile(r"#\s*(?:(?P<task>task)\s*:\s*(?P<name>.*?)|(?P<example>example))\s*")
_TAG: Final = re.compile(r"task:\s*(?P<name>.*)")
_TAKEN: Final = frozenset({HYPERPARAMETERS, "evaluate", "experiment", "Hyperparameters"})
_EXAMPLE_CELL: Final = '# example, then instance = {"rooms": 6} and prediction = {"price": 84_000.0}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One instance and its prediction, as a cell spells them."""

    instance: Mapping[str, Any]
    prediction: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A notebook in which what is for the service is marked."""

    cells: tuple[Cell, ...]
    """All cells of code but those of parameters and of the example; marks are left out of their text."""
    tasks: Mapping[int, str]
    """Names of tasks by the numbers of their cells."""
    parameters: Mapping[str, Any]
    example: Example
    title: str
    """The first heading; "" where there is none."""
    prose: str
    """What the first cell of text says below its heading."""


def read_marks(notebook: Source) -> Marked:
    """Read what is marked in a notebook.

    Raises:
        CallError: Nothing is marked, or a mark is wrong; the message names the cell.
    """
    tasks: dict[int, str] = {}
    examples, cells = [], []
    for cell in notebook.code:
        kind, name = _mark_of(cell)
        bare = _bare(cell)
        if kind == "task":
            tasks[cell.number] = _checked(name, cell, taken=tasks.values())
        if kind == "example":
            examples.append(bare)
        elif PARAMETERS not in cell.tags:
            cells.append(bare)
    if not tasks:
        hint = f"begin the cells that load, split and fit with `# task: NAME`; the one that fits is `# task: {MODEL}`"
        raise CallError("no cell is marked as a task", hint=hint)
    if MODEL not in tasks.values():
        told = ", ".join(f"{name} (cell {number})" for number, name in tasks.items())
        raise CallError(
            f"no task is {MODEL}; there are {told}", hint=f"begin the cell that fits with `# task: {MODEL}`"
        )
    title, prose = _text(notebook)
    return Marked(
        cells=tuple(cells),
        tasks=tasks,
        parameters=_parameters(notebook),
        example=_example(examples),
        title=title,
        prose=prose,
    )


def annotation(value: Any) -> str | None:
    """Give the type of a value as a field is annotated; None where it does not tell.

    >>> annotation(3), annotation(["a", "b"]), annotation(None)
    ('int', 'list[str]', None)
    """
    if isinstance(value, list):
        kinds = {annotation(one) for one in value}
        only = kinds.pop() if len(kinds) == 1 else None
        return None if only is None else f"list[{only}]"
    return type(value).__name__ if isinstance(value, bool | int | float | str) else None


def _mark_of(cell: Cell) -> tuple[str, str]:
    """Give the kind of a cell's mark and the name in it; "" for none."""
    for tag in cell.tags:
        if found := _TAG.fullmatch(tag):
            return "task", found["name"]
        if tag == "example":
            return "example", ""
    first = cell.source.lstrip("\n").partition("\n")[0]
    found = _MARK.fullmatch(first.rstrip())
    if found is None:
        return "", ""
    return ("task", found["name"]) if found["task"] else ("example", "")


def _bare(cell: Cell) -> Cell:
    """Leave the comment that is a mark out of a cell."""
    text = cell.source.lstrip("\n")
    first, _, rest = text.partition("\n")
    return replace(cell, source=rest if _MARK.fullmatch(first.rstrip()) else text)


def _checked(name: str, cell: Cell, *, taken: Any) -> str:
    if not name.isidentifier() or keyword.iskeyword(name) or name in _TAKEN:
        raise CallError(f"cell {cell.number}: {name!r} cannot name a task", hint="it is a Python name, as load_data")
    if name in taken:
        raise CallError(f"cell {cell.number} is a second task {name}", hint="name each task otherwise")
    return name


def _parameters(notebook: Source) -> dict[str, Any]:
    cell = next((one for one in notebook.code if PARAMETERS in one.tags), None)
    if cell is None:
        return {}
    parse(cell)
    found = notebook.parameters
    for name, value in found.items():
        if annotation(value) is None:
            raise CallError(
                f"cell {cell.number}: the parameter {name} is no number, text, truth value or list of one of them",
                hint="spell it out, or set it in a cell that is not tagged parameters",
            )
    return found


def _example(cells: list[Cell]) -> Example:
    if len(cells) != 1:
        told = f"cells {', '.join(str(one.number) for one in cells)} are examples" if cells else "there is no example"
        raise CallError(f"{told}: one cell says what a consumer sends and gets", hint=f"write a cell {_EXAMPLE_CELL}")
    (cell,) = cells
    found: dict[str, Any] = {}
    try:
        for statement in ast.parse(cell.source).body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                found[statement.targets[0].id] = ast.literal_eval(statement.value)
    except (SyntaxError, ValueError) as error:
        told = f"cell {cell.number}: the example is not spelled out"
        raise CallError(told, hint=f"write {_EXAMPLE_CELL}") from error
    return Example(
        instance=_fields(found.get("instance"), "instance", cell),
        prediction=_fields(found.get("prediction"), "prediction", cell),
    )


def _fields(value: Any, name: str, cell: Cell) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise CallError(f"cell {cell.number}: {name} is no dict of fields", hint=f"write {_EXAMPLE_CELL}")
    for field, given in value.items():
        if not isinstance(field, str) or not field.isidentifier() or keyword.iskeyword(field) or field.startswith("_"):
            raise CallError(
                f"cell {cell.number}: {field!r} cannot name a field of {name}",
                hint="consumers write it: letters, digits and _; rename the column in the notebook",
            )
        if annotation(given) is None:
            raise CallError(
                f"cell {cell.number}: {field} of {name} is {given!r}, from which no type follows",
                hint="give a number, a text, a truth value or a list of one of them",
            )
    if name == "prediction" and len(value) != 1:
        raise CallError(
            f"cell {cell.number}: the prediction has {len(value)} fields, and model.predict gives one value a row",
            hint="begin with one; more come in serve/app.py",
        )
    return value


def _text(notebook: Source) -> tuple[str, str]:
    """Give the heading of the first cell of text, and what it says below."""
    cell = next((one for one in notebook.cells if one.kind == "markdown" and one.source.strip()), None)
    if cell is None:
        return "", ""
    first, _, rest = cell.source.strip().partition("\n")
    if first.startswith("#"):
        return first.lstrip("#").strip(), rest.strip()
    return "", cell.source.strip()
