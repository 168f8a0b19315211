"""What a cell does with names, read from its syntax tree. Pure; `_extract` asks."""

from __future__ import annotations

import ast
import symtable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Names", "names_of"]

_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of one cell, in the order in which they come."""

    free: tuple[str, ...]
    """Read before the cell itself gives them a meaning."""
    stored: tuple[str, ...]
    """That it gives a meaning at its top level, imports left out."""
    imports: Mapping[str, str]
    """Imported names, each with the statement that imports it alone."""
    functions: frozenset[str]
    """Functions and classes that it defines."""
    changed: frozenset[str]
    """Free names whose content it changes: `rows["x"] = 1`, `rows += 1`, `del rows`."""
    scoped: tuple[str, ...]
    """Names that it declares global."""
    stars: tuple[str, ...]
    """Modules of which it imports everything."""
    is_async: bool
    """It awaits at its top level."""
    ends_with_value: bool
    last: tuple[int, int]
    """Line and column, in bytes, where the last statement begins."""


def names_of(tree: ast.Module) -> Names:
    """Read the names of a cell.

    >>> names_of(ast.parse("total = price * 2")).free
    ('price',)
    """
    imports, stars = _imports(tree)
    functions = [
        one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    stored = [name for name in _stored(tree) if name not in imports]
    free = _free(tree)
    changed = {_root(node) for node in _own(tree) if _changes(node)}
    last = tree.body[-1] if tree.body else None
    return Names(
        free=tuple(free),
        stored=tuple(dict.fromkeys([*stored, *functions])),
        imports=imports,
        functions=frozenset(functions),
        changed=frozenset(changed & set(free)),
        scoped=tuple(name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names),
        stars=tuple(stars),
        is_async=any(isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) for node in _own(tree)),
        ends_with_value=isinstance(last, ast.Expr),
        last=(last.lineno, last.col_offset) if last is not None else (1, 0),
    )


def _imports(tree: ast.Module) -> tuple[dict[str, str], list[str]]:
    found: dict[str, str] = {}
    stars: list[str] = []
    for node in _own(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            if alias.name == "*":
                stars.append(getattr(node, "module", None) or ".")
                continue
            alone: ast.stmt = (
                ast.Import(names=[alias])
                if isinstance(node, ast.Import)
                else ast.ImportFrom(module=node.module, names=[alias], level=node.level)
            )
            found[alias.asname or alias.name.partition(".")[0]] = ast.unparse(alone)
    return found, stars


def _stored(tree: ast.Module) -> list[str]:
    """Give the names that are assigned at the top level, in order."""
    return [node.id for node in _own(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def _free(tree: ast.Module) -> list[str]:
    """Give the names that are read before the cell gives them a meaning."""
    bound: set[str] = set()
    free: dict[str, None] = {}
    for statement in tree.body:
        alone = ast.Module(body=[statement], type_ignores=[])
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(statement.name)  # it may call itself
        free |= dict.fromkeys(name for name in _read(alone) if name not in bound)
        bound |= {*_stored(alone), *_imports(alone)[0]}
    return list(free)


def _read(module: ast.Module) -> list[str]:
    """Give the global names that a statement, or a scope inside it, reads without giving them a meaning first."""
    grown = {_root(node) for node in _own(module) if isinstance(node, ast.AugAssign)}
    table = symtable.symtable(ast.unparse(module), "cell", "exec")
    wanted = {*_globals(table), *grown} - _given_first(module, grown)
    order = [node.id for node in ast.walk(module) if isinstance(node, ast.Name)]
    return [name for name in dict.fromkeys(order) if name in wanted]


def _given_first(module: ast.Module, grown: set[str]) -> set[str]:
    """Give the names that a statement gives a meaning before it reads them: of an assignment, what `:=` does."""
    if isinstance(module.body[0], ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr):
        given = [node.target for node in _own(module) if isinstance(node, ast.NamedExpr)]
        return {target.id for target in given}
    plain = [name for name in _stored(module) if name not in grown or _stored(module).count(name) > 1]
    return {*plain, *_imports(module)[0]}


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _globals(child)


def _own(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk through a tree without what is inside of functions, classes and comprehensions' own names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, _Scope):
            continue
        if isinstance(node, ast.comprehension):
            yield from _own(ast.Expression(body=node.iter))
            continue
        yield node
        yield from _own(node)


def _changes(node: ast.AST) -> bool:
    if isinstance(node, ast.AugAssign):
        return True
    return isinstance(node, ast.Subscript | ast.Attribute | ast.Name) and isinstance(
        node.ctx, ast.Del if isinstance(node, ast.Name) else ast.Store | ast.Del
    )


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred | ast.AugAssign):
        node = node.target if isinstance(node, ast.AugAssign) else node.value
    return node.id if isinstance(node, ast.Name) else ""
