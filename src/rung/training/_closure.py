"""The code that a task reaches, as a digest: the function, the helpers, classes and constants of the workspace.

Libraries are covered by the digest of the environment. Code is compared as a syntax tree, so comments, docstrings and
layout do not count. What cannot be followed by name (a value of an unknown kind, a module taken as a whole) counts with
the source of its whole module: a cache may be missed in vain, never hit in vain.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PLAIN = (str, bytes, int, float, complex, bool, type(None))
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """What one task's code reaches."""

    digest: str
    hyperparameters: frozenset[str] | None
    """Names of the hyperparameters that it reads; None when it hands the model on, so all of them count."""
    reaches_evaluation: bool
    """It calls `evaluate_models`, so the service's application and tests count too."""


class Closures:
    """Computes closures; each source file is read and parsed once."""

    def __init__(self, root: Path) -> None:
        self._root = str(root.resolve()) + "/"
        self._files: dict[str, _File] = {}
        self._parts: dict[int, tuple[Any, _Part]] = {}

    def of(self, function: Callable[..., Any], fields: frozenset[str]) -> Closure:
        """Follow a task's function.

        Args:
            function: The task.
            fields: The hyperparameters' names.
        """
        parts: dict[str, str] = {}
        queue: list[Any] = [inspect.unwrap(function), function]
        seen: set[int] = set()
        evaluates = False
        while queue:
            value = queue.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            part = self._part(value)
            parts[part.name] = part.text
            evaluates = evaluates or part.evaluates
            queue.extend(part.reached)
        digest = hashlib.sha256()
        for name in sorted(parts):
            digest.update(f"{name}\0{parts[name]}\0".encode())
        return Closure(
            digest=digest.hexdigest(),
            hyperparameters=self._read_fields(function, fields),
            reaches_evaluation=evaluates,
        )

    def _part(self, value: Any) -> _Part:
        known = self._parts.get(id(value))
        if known is None:
            known = self._parts[id(value)] = (value, self._read(value))  # holding it keeps the id its own
        return known[1]

    def _read(self, value: Any) -> _Part:
        name = f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', '')}"
        module = sys.modules.get(getattr(value, "__module__", None) or "")
        source = self._source(module)
        if source is None or module is None:
            return _Part(name=name, text=_bytecode(value), reached=_cells(value))
        node = source.definition(value)
        if node is None:  # made at run time: its bytecode, and the module that made it
            return _Part(name=name, text=_bytecode(value) + source.text, reached=_cells(value))
        part = _Part(name=name, text=_normal(node), reached=_cells(value))
        self._follow(node, module, part)
        return part

    def _follow(self, node: ast.AST, module: ModuleType, part: _Part) -> None:
        """Add what the names in a definition stand for in its module."""
        for path in _paths(node):
            target: Any = module
            taken = 0
            while taken < len(path) and self._source(target) and hasattr(target, path[taken]):
                target = getattr(target, path[taken])
                taken += 1
            if isinstance(target, ModuleType):
                if taken and (whole := self._source(target)) is not None:
                    part.text += f"\n{target.__name__}={whole.text}"
            elif taken:
                self._add(target, ".".join(path[:taken]), part)
        for imported in _local_imports(node, module):
            if (whole := self._source(imported)) is not None:
                part.text += f"\n{imported.__name__}={whole.text}"

    def _add(self, value: Any, name: str, part: _Part) -> None:
        if isinstance(value, FunctionType | type):
            part.evaluates = part.evaluates or "__rung_evaluates__" in vars(value)
            if self._source(sys.modules.get(value.__module__)) is not None:
                part.reached.extend((value, inspect.unwrap(value)) if isinstance(value, FunctionType) else (value,))
        elif (plain := _plain(value)) is not None:
            part.text += f"\n{name}={plain}"
        elif type(value).__module__ != "typing":
            part.text += f"\n{name}=" + "".join(self._owners(value))

    def _owners(self, value: Any) -> Iterator[str]:
        """Give the modules of the workspace that hold this very object: one of them makes it."""
        for module in list(sys.modules.values()):
            source = self._source(module)
            if source is not None and any(held is value for held in vars(module).values()):
                yield f"{module.__name__} {source.text}"

    def _source(self, module: Any) -> _File | None:
        """Give the file of a module of the workspace; None for libraries and for what is no module."""
        path = module.__file__ if isinstance(module, ModuleType) and hasattr(module, "__file__") else None
        if path is None or not path.startswith(self._root) or "/site-packages/" in path:
            return None
        if path not in self._files:
            self._files[path] = _File(Path(path).read_text())
        return self._files[path]

    def _read_fields(self, function: Callable[..., Any], fields: frozenset[str]) -> frozenset[str] | None:
        plain = inspect.unwrap(function)
        source = self._source(sys.modules.get(plain.__module__))
        node = source.definition(plain) if source else None
        if node is None:
            return None
        read: set[str] = set()
        attributes: set[int] = set()
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute) and getattr(inner.value, "id", None) == "hyperparameters":
                attributes.add(id(inner.value))
                read.add(inner.attr)
        names = [n for n in ast.walk(node) if isinstance(n, ast.Name) and n.id == "hyperparameters"]
        if any(id(name) not in attributes for name in names) or not read <= fields:
            return None
        return frozenset(read)


@dataclass(slots=True, kw_only=True)
class _Part:
    """One definition: its text, and the definitions that it reaches."""

    name: str
    text: str
    reached: list[Any] = field(default_factory=list)
    evaluates: bool = False


class _File:
    """A source file of the workspace, parsed once."""

    def __init__(self, text: str) -> None:
        self._tree = ast.parse(text)
        self._definitions: dict[str, _Definition] | None = None
        self._text: str | None = None

    @property
    def text(self) -> str:
        """The whole module, without comments and layout."""
        if self._text is None:
            self._text = ast.dump(self._tree)
        return self._text

    def definition(self, value: Any) -> _Definition | None:
        if self._definitions is None:
            self._definitions = dict(_definitions(self._tree, ""))
        return self._definitions.get(getattr(value, "__qualname__", ""))


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, _Definition]]:
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, _Definition):
            yield prefix + inner.name, inner
            nested = "." if isinstance(inner, ast.ClassDef) else ".<locals>."
            yield from _definitions(inner, prefix + inner.name + nested)
        elif isinstance(inner, ast.If | ast.Try | ast.With):
            yield from _definitions(inner, prefix)


def _normal(node: _Definition) -> str:
    """Spell a definition without docstrings; positions are not dumped."""
    docstrings = [
        inner
        for inner in ast.walk(node)
        if isinstance(inner, _Definition) and ast.get_docstring(inner, clean=False) is not None
    ]
    removed = [(inner, inner.body[0]) for inner in docstrings]
    for inner, _ in removed:
        inner.body = inner.body[1:]
    try:
        return ast.dump(node)
    finally:
        for inner, docstring in removed:
            inner.body = [docstring, *inner.body]


def _paths(node: ast.AST) -> set[tuple[str, ...]]:
    """List the dotted names in a definition, and in annotations that are strings."""
    found: set[tuple[str, ...]] = set()
    inner_of_chain: set[int] = set()
    for inner in ast.walk(node):
        if id(inner) in inner_of_chain:
            continue
        names: list[str] = []
        link = inner
        while isinstance(link, ast.Attribute):
            names.append(link.attr)
            link = link.value
            inner_of_chain.add(id(link))
        if isinstance(link, ast.Name):
            found.add((link.id, *reversed(names)))
    return found


def _local_imports(node: ast.AST, module: ModuleType) -> Iterator[ModuleType]:
    """Give the modules that a function imports when it runs."""
    package = module.__package__ or ""
    for inner in ast.walk(node):
        names: list[str] = []
        if isinstance(inner, ast.Import):
            names = [alias.name for alias in inner.names]
        elif isinstance(inner, ast.ImportFrom):
            base = "." * inner.level + (inner.module or "")
            names = [base, *(f"{base.rstrip('.')}.{alias.name}" for alias in inner.names)]
        for name in names:
            try:
                absolute = importlib.util.resolve_name(name, package)
                if absolute not in sys.modules and importlib.util.find_spec(absolute) is not None:
                    importlib.import_module(absolute)
            except ImportError:
                continue
            if absolute in sys.modules:
                yield sys.modules[absolute]


def _cells(value: Any) -> list[Any]:
    """Give the functions and classes that a closure holds, and a class's bases."""
    held = [cell.cell_contents for cell in getattr(value, "__closure__", None) or () if _filled(cell)]
    held += list(getattr(value, "__bases__", ()))
    return [inner for inner in held if isinstance(inner, FunctionType | type)]


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _bytecode(value: Any) -> str:
    """Spell what a function does when there is no source: never by `repr`, which holds addresses."""
    code = getattr(value, "__code__", None)
    if code is None:
        return ""
    constants = [_bytecode_constant(constant) for constant in code.co_consts]
    cells = [_plain(cell.cell_contents) for cell in value.__closure__ or () if _filled(cell)]
    return f"{code.co_code.hex()} {code.co_names} {constants} {cells} {_plain(value.__defaults__)}"


def _bytecode_constant(constant: Any) -> str:
    if hasattr(constant, "co_code"):
        return f"{constant.co_code.hex()} {constant.co_names} {[_bytecode_constant(c) for c in constant.co_consts]}"
    return repr(constant)


def _plain(value: Any) -> str | None:
    """Spell plain data; None when some of it is not plain."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, list | tuple):
        parts = [_plain(inner) for inner in value]
        return None if None in parts else f"{type(value).__name__}{parts}"
    if isinstance(value, set | frozenset):
        parts = [_plain(inner) for inner in value]
        return None if None in parts else f"{type(value).__name__}{sorted(filter(None, parts))}"
    if isinstance(value, dict):
        items = [(_plain(key), _plain(inner)) for key, inner in value.items()]
        return None if any(None in item for item in items) else f"dict{items}"
    return None
