"""A source file of the workspace as a syntax tree: its definitions, and the names in them. Pure; closures ask it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from rung.graph import HYPERPARAMETERS

if TYPE_CHECKING:
    from collections.abc import Iterator

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_HOLDS_STATEMENTS = (ast.stmt, ast.ExceptHandler, ast.match_case)


class File:
    """A source file, parsed once."""

    def __init__(self, text: str, *, was_edited: bool = False) -> None:
        self.tree = ast.parse(text)
        self.was_edited = was_edited
        self._definitions: dict[str, list[Definition]] | None = None
        self._imported: frozenset[str] | None = None
        self._texts: dict[ast.AST, str] = {}

    @property
    def text(self) -> str:
        """The whole module, without comments, docstrings and layout."""
        return self.normal(self.tree)

    @property
    def imported(self) -> frozenset[str]:
        """Names that the file takes from other modules."""
        if self._imported is None:
            self._imported = frozenset(
                alias.asname or alias.name
                for node in ast.walk(self.tree)
                if isinstance(node, ast.ImportFrom)
                for alias in node.names
            )
        return self._imported

    def definitions(self, name: str) -> list[Definition]:
        """Give all definitions of that qualified name: of two branches, either may be the one in use."""
        if self._definitions is None:
            self._definitions = {}
            for found, node in _definitions(self.tree, ""):
                self._definitions.setdefault(found, []).append(node)
        return self._definitions.get(name, [])

    def normal(self, tree: ast.AST) -> str:
        """Spell a tree without docstrings; positions are not spelled."""
        if tree not in self._texts:
            self._texts[tree] = _normal(tree)
        return self._texts[tree]

    def fields_read(self, node: Definition) -> frozenset[str] | None:
        """Name the attributes of `hyperparameters` that a function reads; None when it does more with the model."""
        read: set[str] = set()
        names: set[ast.expr] = set()
        attributes: set[ast.expr] = set()
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and inner.id == HYPERPARAMETERS:
                names.add(inner)
            elif isinstance(inner, ast.Attribute) and getattr(inner.value, "id", None) == HYPERPARAMETERS:
                attributes.add(inner.value)
                read.add(inner.attr)
        return frozenset(read) if names <= attributes else None


def names_in(node: ast.AST, *, skips_hyperparameters: bool = False) -> set[tuple[str, ...]]:
    """List the dotted names in a tree that may stand for something outside of it.

    A function's own parameters do not: a task that takes `split` reads that task's output, not its code.

    Args:
        node: A module or a definition.
        skips_hyperparameters: Leave out the annotation of the parameter `hyperparameters`.
    """
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return _names(node)
    given = node.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    outside: list[ast.AST] = [*node.decorator_list, *given.defaults, *filter(None, given.kw_defaults)]
    outside += [node.returns] if node.returns else []
    for argument in arguments:
        if argument.annotation is not None and not (skips_hyperparameters and argument.arg == HYPERPARAMETERS):
            outside.append(argument.annotation)
    found = {path for part in outside for path in _names(part)}
    own = {argument.arg for argument in arguments}
    return found | {path for part in node.body for path in _names(part) if path[0] not in own}


def _names(node: ast.AST) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    done: set[int] = set()
    for inner in ast.walk(node):
        if id(inner) in done:
            continue
        names: list[str] = []
        link = inner
        while isinstance(link, ast.Attribute):
            names.append(link.attr)
            link = link.value
            done.add(id(link))
        if isinstance(link, ast.Name):
            found.add((link.id, *reversed(names)))
    return found


def imported_names(node: ast.AST) -> Iterator[str]:
    """Give the modules that a tree imports, and what may be one; relative names begin with dots."""
    for inner in _statements(node):
        if isinstance(inner, ast.Import):
            yield from (alias.name for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom):
            base = "." * inner.level + (inner.module or "")
            yield base
            yield from (f"{base}{'' if base.endswith('.') else '.'}{alias.name}" for alias in inner.names)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Give a tree and the statements in it, also nested ones: most of a tree are expressions, and take time."""
    yield node
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, _HOLDS_STATEMENTS):
            yield from _statements(inner)


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, Definition):
            yield prefix + inner.name, inner
            nested = "." if isinstance(inner, ast.ClassDef) else ".<locals>."
            yield from _definitions(inner, prefix + inner.name + nested)
        elif isinstance(inner, _HOLDS_STATEMENTS):
            yield from _definitions(inner, prefix)


def _normal(tree: ast.AST) -> str:
    removed = [
        (inner, inner.body[0])
        for inner in _statements(tree)
        if isinstance(inner, Definition | ast.Module) and ast.get_docstring(inner, clean=False) is not None
    ]
    for inner, _ in removed:
        inner.body = inner.body[1:]
    try:
        return ast.dump(tree)
    finally:
        for inner, docstring in removed:
            inner.body = [docstring, *inner.body]
