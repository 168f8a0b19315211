"""The defaults of a hyperparameter model as they stand in the author's source, and with other values. Pure.

A deployed training takes no overrides, so what a study found reaches production as a change of these lines alone.
"""

from __future__ import annotations

import ast
import difflib
from typing import TYPE_CHECKING, Any

from rung.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["patch", "with_defaults"]


def with_defaults(source: str, model: str, values: Mapping[str, Any]) -> str:
    """Give a module's source with other defaults in one of its classes; everything else stays as it is written.

    Args:
        source: Of the module.
        model: The name of the class.
        values: By field, the new default: a number, a text, a truth value or None.

    Raises:
        ConflictError: The class, or a default of it, is not written there.
    """
    found = next(
        (one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.ClassDef) and one.name == model), None
    )
    if found is None:
        raise ConflictError(f"the source has no class {model}", hint="set the defaults by hand")
    lines = source.encode().splitlines(keepends=True)
    places = [(_default_of(found, name), repr(value)) for name, value in values.items()]
    for node, text in sorted(places, key=lambda place: (place[0].lineno, place[0].col_offset), reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
        lines[first : last + 1] = [before + text.encode() + after]
    return b"".join(lines).decode()


def _default_of(model: ast.ClassDef, name: str) -> ast.expr:
    """Find where the default of a field is written: `= 0.1`, `= Field(0.1, ...)` or `= Field(default=0.1, ...)`."""
    for line in model.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.target.id == name:
            value = line.value
            if isinstance(value, ast.Call) and _called(value) == "Field":
                value = value.args[0] if value.args else _keyword(value, "default")
            if value is not None:
                return value
    raise ConflictError(f"the default of {name} is not written in {model.name}", hint="set it by hand")


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((one.value for one in call.keywords if one.arg == name), None)


def patch(before: str, after: str, path: str) -> str:
    """Give the difference of two versions of a file, as `git apply` takes it."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
