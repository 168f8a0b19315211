"""What `rung check` says of calls of `evaluate_models`: whether anybody looks if held-out rows were trained on."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from rung.checks._practice import Advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.workspace import Service

__all__ = ["calls_without_training_rows", "tell_leakage"]

_CALLED: Final = "evaluate_models"
_GIVEN: Final = "X_train"
_BEFORE: Final = 2
"""Arguments before it, where they are given by their places."""


def tell_leakage(service: Service) -> str:
    """Say where a training does not hand over the rows that it learned from, as far as its source shows it."""
    found = [
        f"{path.relative_to(service.folder).as_posix()}:{line}"
        for path in sorted((service.folder / "train").rglob("*.py"))
        for line in calls_without_training_rows(path.read_text(encoding="utf-8"))
    ]
    if not found:
        return "held-out rows are held against the training rows, as far as the source shows it"
    return Advice(
        f"{_CALLED} is called without {_GIVEN} ({', '.join(found)}), so nobody looks whether held-out rows were "
        f"trained on; give {_GIVEN} and y_train"
    )


def calls_without_training_rows(source: str) -> Iterator[int]:
    """Give the lines of a module on which models are evaluated plainly without the training rows.

    >>> list(calls_without_training_rows("evaluate_models(X, y)\\nevaluate_models(X, y, X_train=Z)\\n"))
    [1]
    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name == _CALLED and not _may_give(node):
            yield node.lineno


def _may_give(call: ast.Call) -> bool:
    if len(call.args) > _BEFORE or any(isinstance(one, ast.Starred) for one in call.args):
        return True
    given = {one.arg: one.value for one in call.keywords}
    if None in given:  # **given: what is in it is not shown
        return True
    value = given.get(_GIVEN)
    return value is not None and not (isinstance(value, ast.Constant) and value.value is None)
