"""The code that a function reaches, as a digest: the function, the helpers, classes and constants of the workspace.

Libraries are covered by the digest of the environment. Code is compared as a syntax tree, so comments, docstrings and
layout do not count. What cannot be followed by name (an object that some call made, a module taken as a whole) counts
with all that its module reaches: a cache may be missed in vain, never hit in vain.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import secrets
import sys
import typing
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from rung.closure._process import process_started
from rung.closure._source import File, imported_names, names_in

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterator, Mapping

_SCALARS = (str, bytes, int, float, complex, bool, type(None), type(Ellipsis))
_SPELLED_BY_REPR = ("datetime", "decimal", "fractions", "pathlib", "typing", "uuid")
"""Modules whose values tell all that they are, and no address."""
_DEEPEST = 20  # containers in containers that are spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """What one task's code reaches."""

    digest: str
    hyperparameters: frozenset[str] | None
    """Names of the hyperparameters that it reads; None when it hands the model on, so all of them count."""
    reaches_evaluation: bool
    """It calls `evaluate_models`, so the service's application and tests count too."""


@dataclass(slots=True, kw_only=True)
class _Part:
    """One definition or module: its text, and what it reaches."""

    name: str
    text: str
    reached: list[Any] = field(default_factory=list)
    evaluates: bool = False


class Closures:
    """Computes closures; each source file is read and parsed once.

    A file that was edited after this process had begun may differ from the code that is loaded: what it defines gets a
    closure that was never seen before, so it runs.
    """

    def __init__(self, root: Path) -> None:
        self._root = f"{root.resolve()}/"
        self._started = process_started()
        self._files: dict[str, File] = {}
        self._parts: dict[tuple[int, bool], tuple[Any, _Part]] = {}

    def of(self, function: Callable[..., Any], hyperparameters: Mapping[str, Any]) -> Closure:
        """Follow a task's function.

        Args:
            function: The task.
            hyperparameters: The fields of the hyperparameters, with their values.
        """
        read = self._fields_read(function, hyperparameters)
        # The class of the hyperparameters counts only where more than values of plain data are taken from it.
        values_only = read is not None and all(_is_plain(hyperparameters[name]) for name in read)
        parts: set[tuple[str, str]] = set()
        queue: list[tuple[Any, bool]] = [(inspect.unwrap(function), False), (function, values_only)]
        seen: set[int] = set()
        evaluates = False
        while queue:
            value, skips = queue.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            part = self._part(value, skips_hyperparameters=skips)
            parts.add((part.name, part.text))
            evaluates = evaluates or part.evaluates
            queue.extend((reached, False) for reached in part.reached)
        digest = hashlib.sha256()
        for name, text in sorted(parts):
            digest.update(f"{name}\0{text}\0".encode())
        return Closure(digest=digest.hexdigest(), hyperparameters=read, reaches_evaluation=evaluates)

    def _part(self, value: Any, *, skips_hyperparameters: bool) -> _Part:
        known = self._parts.get((id(value), skips_hyperparameters))
        if known is None:  # holding the value keeps the id its own
            known = (value, self._read(value, skips_hyperparameters=skips_hyperparameters))
            self._parts[id(value), skips_hyperparameters] = known
        return known[1]

    def _read(self, value: Any, *, skips_hyperparameters: bool) -> _Part:
        module, name = _home(value)
        part = _Part(name=f"{getattr(module, '__name__', '')}:{name}", text="")
        source = self._source(module)
        if source is None or module is None:
            if not _is_library(module):
                part.text = _bytecode(value)
        elif value is module:
            part.text = source.text
            self._follow(source.tree, module, part)
        else:
            nodes = source.definitions(name)
            part.text = "\n".join(source.normal(node) for node in nodes)
            for node in nodes:
                self._follow(node, module, part, skips_hyperparameters=skips_hyperparameters)
            if not nodes:  # made at run time: its bytecode, and the module that made it
                part.text += _bytecode(value)
                part.reached.append(module)
        if source is not None and source.was_edited:
            part.text += secrets.token_hex()
        self._hold(value, part, is_ours=source is not None)
        return part

    def _follow(self, node: ast.AST, module: ModuleType, part: _Part, *, skips_hyperparameters: bool = False) -> None:
        """Add what the names in a tree stand for in its module."""
        for path in sorted(names_in(node, skips_hyperparameters=skips_hyperparameters)):
            target: Any = module
            taken = 0
            while taken < len(path) and self._is_ours(target) and hasattr(target, path[taken]):
                target = getattr(target, path[taken])
                taken += 1
            if taken:
                part.text += f"\n{'.'.join(path[:taken])}={self._spell(target, part, holder=target)}"
        for imported in self._imported_within(node, module):
            part.text += f"\nimport {imported.__name__}"
            part.reached.append(imported)

    def _hold(self, value: Any, part: _Part, *, is_ours: bool) -> None:
        """Add what a function made at run time holds, and the classes that a class is made from."""
        if isinstance(value, type):
            part.reached.extend(base for base in value.__bases__ if self._is_ours(_home(base)[0]))
        if not isinstance(value, FunctionType) or "<locals>" not in value.__code__.co_qualname:
            return
        held = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        held += [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        if is_ours:
            part.text += "".join(f"\n{self._spell(inner, part, holder=value)}" for inner in held)
        else:  # a library's wrapper: what it holds of ours
            part.reached.extend(inner for inner in held if isinstance(inner, FunctionType))

    def _spell(  # noqa: PLR0911  one kind of value after the other
        self, value: Any, part: _Part, *, holder: Any = None, depth: int = 0
    ) -> str:
        """Spell a value; what of it is code is added to what the part reaches."""
        if isinstance(value, _SCALARS) and not isinstance(value, Enum):
            return repr(value)
        if isinstance(value, FunctionType | type | ModuleType):
            return self._spell_code(value, part)
        if (inner := _contents(value)) is not None and depth < _DEEPEST:
            spelled = [self._spell(each, part, holder=holder, depth=depth + 1) for each in inner]
            return f"{type(value).__name__}{sorted(spelled) if isinstance(value, set | frozenset) else spelled}"
        if isinstance(value, Enum):
            return f"{self._spell_code(type(value), part)}.{value.name}"
        if type(value).__module__ in _SPELLED_BY_REPR or type(value).__module__.startswith("pathlib."):
            return repr(value)
        if type(value).__module__ == "logging":
            return "logger"
        if (library := _library_name(value)) is not None:
            return library
        wrapped = inspect.unwrap(value) if callable(value) and hasattr(value, "__wrapped__") else value
        if wrapped is not value and type(value).__module__ == "functools":
            return f"functools {self._spell(wrapped, part, depth=depth + 1)}"
        owners = self._owners(value) or self._owners(holder)
        part.reached.extend(owners)
        return f"{type(value).__module__}:{type(value).__qualname__} of {[owner.__name__ for owner in owners]}"

    def _spell_code(self, value: Any, part: _Part) -> str:
        module, name = _home(value)
        if isinstance(value, FunctionType | type):
            part.evaluates = part.evaluates or "__rung_evaluates__" in vars(value)
        if self._source(module) is not None:
            part.reached.append(value)
        if isinstance(value, FunctionType):
            part.reached.extend((value, inspect.unwrap(value)))
        return f"{getattr(module, '__name__', '')}:{name}"

    def _owners(self, value: Any) -> list[ModuleType]:
        """Give the modules of the workspace that hold this very object and did not import it: one of them made it."""
        if value is None:
            return []
        makers: list[ModuleType] = []
        importers: list[ModuleType] = []
        for module in list(sys.modules.values()):
            source = self._source(module)
            if source is not None:
                names = {name for name, held in vars(module).items() if held is value}
                if names:
                    (importers if names <= source.imported else makers).append(module)
        return sorted(makers or importers, key=lambda module: module.__name__)

    def _is_ours(self, module: Any) -> bool:
        if not isinstance(module, ModuleType):
            return False
        return self._source(module) is not None or any(
            f"{path}/".startswith(self._root) for path in getattr(module, "__path__", ())
        )

    def _source(self, module: Any) -> File | None:
        """Give the file of a module of the workspace; None for libraries and for what is no module."""
        path = getattr(module, "__file__", None) if isinstance(module, ModuleType) else None
        if path is None or not path.startswith(self._root) or "/site-packages/" in path or not path.endswith(".py"):
            return None
        if path not in self._files:
            file = Path(path)
            self._files[path] = File(file.read_text(), was_edited=file.stat().st_mtime > self._started)
        return self._files[path]

    def _imported_within(self, node: ast.AST, module: ModuleType) -> Iterator[ModuleType]:
        """Give the workspace's modules that a tree imports, also those that it would import when it runs."""
        for name in imported_names(node):
            try:
                absolute = importlib.util.resolve_name(name, module.__package__ or "")
                if absolute not in sys.modules and self._could_be_ours(absolute):
                    importlib.import_module(absolute)
            except Exception:  # noqa: BLE001, S112  not there, or it raised: the task, when it runs, meets the same
                continue
            if self._is_ours(found := sys.modules.get(absolute)) and found is not None:
                yield found

    def _could_be_ours(self, name: str) -> bool:
        """Tell without importing anything: libraries may take seconds."""
        top = importlib.util.find_spec(name.partition(".")[0])
        places = (
            [] if top is None else [top.origin or "", *(f"{path}/" for path in top.submodule_search_locations or ())]
        )
        return any(place.startswith(self._root) and "/site-packages/" not in place for place in places)

    def _fields_read(self, function: Callable[..., Any], fields: Mapping[str, Any]) -> frozenset[str] | None:
        if not isinstance(function, FunctionType) or hasattr(function, "__wrapped__"):
            return None  # a decorator may look at all of them
        module, name = _home(function)
        source = self._source(module)
        nodes = source.definitions(name) if source else []
        read = source.fields_read(nodes[0]) if source and len(nodes) == 1 else None
        return read if read is not None and read <= fields.keys() else None


def _home(value: Any) -> tuple[ModuleType | None, str]:
    """Give the module that defines a value, and its name there; of a wrapper, where the wrapper is written."""
    if isinstance(value, ModuleType):
        return value, "module"
    if isinstance(value, FunctionType):
        return sys.modules.get(value.__globals__.get("__name__", "")), value.__code__.co_qualname
    return sys.modules.get(getattr(value, "__module__", None) or ""), getattr(value, "__qualname__", "")


def _is_library(module: ModuleType | None) -> bool:
    """Tell whether the environment's digest covers a module."""
    path = getattr(module, "__file__", None)
    if path is None or "/site-packages/" in path or path.startswith(sys.base_prefix):
        return True
    return str(getattr(module, "__name__", "")).partition(".")[0] == __name__.partition(".")[0]


def _library_name(value: Any) -> str | None:
    """Name an object that a library itself holds under its name, as `math.sqrt` or `numpy.mean`."""
    module, name = sys.modules.get(str(getattr(value, "__module__", None))), str(getattr(value, "__name__", ""))
    if module is not None and _is_library(module) and getattr(module, name, None) is value:
        return f"{module.__name__}:{name}"
    return None


def _contents(value: Any) -> list[Any] | None:
    """Give what a container, or a type with arguments, holds; None for what is neither."""
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, dict):
        return [part for item in value.items() for part in item]
    if (origin := typing.get_origin(value)) is not None:
        return [origin, *typing.get_args(value)]
    return None


def _is_plain(value: Any) -> bool:
    """Tell whether a value is data alone: nothing of the workspace's code can be called on it."""
    if isinstance(value, list | tuple | set | frozenset | dict):
        return all(_is_plain(inner) for inner in _contents(value) or ())
    return type(value) in _SCALARS


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _bytecode(value: Any) -> str:
    """Spell what a function does when there is no source: never by `repr`, which holds addresses."""
    code = getattr(value, "__code__", None)
    return "" if code is None else _spell_bytecode(code)


def _spell_bytecode(constant: Any) -> str:
    if hasattr(constant, "co_code"):
        return f"{constant.co_code.hex()} {constant.co_names} {[_spell_bytecode(c) for c in constant.co_consts]}"
    if isinstance(constant, frozenset | tuple):  # the order of a set differs from process to process
        spelled = [_spell_bytecode(inner) for inner in constant]
        return f"{sorted(spelled) if isinstance(constant, frozenset) else spelled}"
    return repr(constant)
