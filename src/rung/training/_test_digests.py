"""What a data test computes, as a digest: a test whose function was changed is another test, whatever its name.

It covers the function, and the functions, classes, constants and imports of its module that it reaches. Comments,
docstrings, layout, order and what `@goal` says of budgets do not count; the goal does. The digest is of source as text,
so that another version of Python gives the same.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.testing import goal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_BRANCHES = (ast.If, ast.Try, ast.ExceptHandler)


def digest_tests(tests: Mapping[str, Callable[..., float]]) -> dict[str, str]:
    """Give each data test's digest by its name.

    Args:
        tests: Functions of one or several modules of the workspace.
    """
    sources = {module: _source(module) for module in {test.__module__ for test in tests.values()}}
    return {name: _digest(f"{goal_of(test)} {reached(sources[test.__module__], name)}") for name, test in tests.items()}


def reached(source: str, name: str) -> str:
    r"""Spell what a name of a module stands for, with all of the module that it reaches; "" when it is not there.

    >>> reached("X = 2\nY = 3\ndef double(x):\n    # times X\n    return X * x", "double")
    'X = 2\ndef double(x):\n    return X * x'
    """
    bound = _bound(ast.parse(source))
    found: set[ast.stmt] = set()
    waiting, seen = [name], {name}
    while waiting:
        for statement in bound.get(waiting.pop(), ()):
            found.add(statement)
            names = {inner.id for inner in ast.walk(statement) if isinstance(inner, ast.Name)} - seen
            waiting.extend(names)
            seen |= names
    return "\n".join(sorted(map(_spelled, found)))


def _bound(tree: ast.Module) -> dict[str, list[ast.stmt]]:
    """Give the statements of a module that give a name its meaning."""
    bound: dict[str, list[ast.stmt]] = {}
    for statement in _statements(tree):
        for name in _names(statement):
            bound.setdefault(name, []).append(statement)
    return bound


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """Give the statements of a module, also those in branches, but not those of functions and classes."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, _BRANCHES):
            yield from _statements(inner)
        elif isinstance(inner, ast.stmt):
            yield inner


def _names(statement: ast.stmt) -> set[str]:
    if isinstance(statement, _Scope):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    return {_root(inner) for inner in ast.walk(statement) if isinstance(getattr(inner, "ctx", None), ast.Store)}


def _root(target: ast.AST) -> str:
    """Name what an assignment changes: `TABLE` of `TABLE["a"].x`."""
    while isinstance(target, ast.Attribute | ast.Subscript | ast.Starred):
        target = target.value
    return target.id if isinstance(target, ast.Name) else ""


def _spelled(statement: ast.stmt) -> str:
    """Write a statement anew, without what does not change a number. The tree is this module's own, so it is cut."""
    for inner in ast.walk(statement):
        if not isinstance(inner, _Scope):
            continue
        inner.decorator_list = [one for one in inner.decorator_list if not _is_goal(one)]
        if ast.get_docstring(inner, clean=False) is not None:
            inner.body = inner.body[1:] or [ast.Pass()]
    return ast.unparse(statement)


def _is_goal(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in ("maximize", "minimize")


def _source(module: str) -> str:
    file: Any = sys.modules[module].__file__
    return Path(file).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
