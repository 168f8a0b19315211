"""What a cell does with names, read from its syntax tree. Pure; `_extract` asks."""

from __future__ import annotations

import ast
import symtable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

__all__ = ["Names", "names_of"]

_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of one cell, in the order in which they come."""

    free: tuple[str, ...]
    """Read before the cell itself gives them a meaning."""
    maybe: frozenset[str]
    """Those of them that some path through the cell gives a meaning first: names of its own, or of another cell."""
    stored: tuple[str, ...]
    """That it gives a meaning at its top level, imports left out."""
    bound: frozenset[str]
    """That it gives a meaning whichever path is taken."""
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

    def among(self, made: Collection[str]) -> Names:
        """Take a name that the cell may give a meaning itself for its own where no other cell makes it."""
        free = tuple(name for name in self.free if name not in self.maybe or name in made)
        return replace(self, free=free, changed=self.changed & set(free))


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
    flow = _Flow()
    bound = flow.run(tree.body, set())
    changed = {_root(node) for node in _own(tree) if _changes(node)}
    last = tree.body[-1] if tree.body else None
    return Names(
        free=tuple(flow.free),
        maybe=frozenset(flow.free) - flow.sure,
        bound=frozenset(bound or ()),
        stored=tuple(dict.fromkeys([*stored, *functions])),
        imports=imports,
        functions=frozenset(functions),
        changed=frozenset(changed & set(flow.free)),
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
    return [name for node in _own(tree) if (name := _stores(node)) is not None]


def _stores(node: ast.AST) -> str | None:
    """Give the name that a part of a statement, or of a pattern, assigns."""
    if isinstance(node, ast.MatchAs | ast.MatchStar):
        return node.name
    if isinstance(node, ast.MatchMapping):
        return node.rest
    return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else None


@dataclass(slots=True)
class _Flow:
    """What a cell reads before it gives it a meaning, as its statements are run one after the other."""

    free: dict[str, None] = field(default_factory=dict)
    sure: set[str] = field(default_factory=set)
    """Of the free names, those that every path reads without a meaning."""
    assigned: set[str] = field(default_factory=set)
    """What some path has given a meaning by now."""

    def run(self, statements: Iterable[ast.stmt], bound: set[str]) -> set[str] | None:
        """Go through statements; give what is bound afterwards, whichever way they went; None: they are never left."""
        found: set[str] | None = set(bound)
        for statement in statements:
            if found is None:
                break
            found = self._step(statement, found)
        return found

    def _step(self, statement: ast.stmt, bound: set[str]) -> set[str] | None:
        match statement:
            case ast.If():
                bound = self._look(statement.test, bound)
                return _common(self.run(statement.body, bound), self.run(statement.orelse, bound))
            case ast.While():
                bound = self._look(statement.test, bound)
                self.run(statement.body, bound)
                self.run(statement.orelse, bound)
            case ast.For() | ast.AsyncFor():
                bound = self._look(statement.iter, bound)
                self.run(statement.body, self._give(statement.target, bound))
                self.run(statement.orelse, bound)
            case ast.With() | ast.AsyncWith():
                for item in statement.items:
                    bound = self._look(item.context_expr, bound)
                    bound = bound if item.optional_vars is None else self._give(item.optional_vars, bound)
                return self.run(statement.body, bound)
            case ast.Try() | ast.TryStar():
                return self._try(statement, bound)
            case ast.Match():
                bound = self._look(statement.subject, bound)
                for case in statement.cases:
                    self._case(case, bound)
            case ast.Raise() | ast.Break() | ast.Continue():
                self._plain(statement, bound)
                return None
            case _:
                return self._plain(statement, bound)
        return bound

    def _try(self, statement: ast.Try | ast.TryStar, bound: set[str]) -> set[str] | None:
        body = self.run(statement.body, bound)
        ends = [None if body is None else self.run(statement.orelse, body)]
        for handler in statement.handlers:
            caught = bound if handler.type is None else self._look(handler.type, bound)
            ends.append(self.run(handler.body, caught | ({handler.name} if handler.name else set())))
        left, last = _common(*ends), self.run(statement.finalbody, bound)
        return None if left is None or last is None else left | last

    def _case(self, case: ast.match_case, bound: set[str]) -> None:
        captured = {name for node in ast.walk(case.pattern) if (name := _stores(node)) is not None}
        self.assigned |= captured
        bound = bound | captured
        self.run(case.body, bound if case.guard is None else self._look(case.guard, bound))

    def _look(self, expression: ast.expr, bound: set[str]) -> set[str]:
        return self._plain(ast.Expr(value=expression), bound)

    def _give(self, target: ast.expr, bound: set[str]) -> set[str]:
        """Bind a target of a loop; what it reads, as the list of `rows[0]`, is read."""
        return self._plain(ast.Assign(targets=[target], value=ast.Constant(value=None), lineno=0), bound)

    def _plain(self, statement: ast.stmt, bound: set[str]) -> set[str]:
        alone = ast.Module(body=[statement], type_ignores=[])
        given = {*_stored(alone), *_imports(alone)[0]}
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            given.add(statement.name)
            bound = bound | {statement.name}  # it may call itself
        for name in _read(alone):
            if name not in bound:
                self.free[name] = None
                self.sure |= {name} - self.assigned
        self.assigned |= given
        return bound | given


def _common(*ends: set[str] | None) -> set[str] | None:
    """Give what is bound at the end of each of some ways; one that is never left does not count."""
    left = [one for one in ends if one is not None]
    return set.intersection(*left) if left else None


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
