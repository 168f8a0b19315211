"""A cell becomes a task: what it needs of other cells become parameters, what others need of it is returned. Pure.

Only what can be done without a guess is done; all else is refused, with the reason.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rung.errors import CallError, NotFoundError
from rung.graph import HYPERPARAMETERS
from rung.notebooks._code import BUILTIN, INDENT, body_of, parse, plain, spliced
from rung.notebooks._source import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from rung.notebooks._names import Names
    from rung.notebooks._source import Cell, Source

__all__ = ["Extracted", "extract", "insert"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """A task, as text."""

    name: str
    function: str
    imports: tuple[str, ...]
    """Statements that the module needs."""
    inputs: tuple[str, ...]
    """Names of the tasks whose outputs it takes."""
    hyperparameters: tuple[str, ...]
    """Those of the notebook's parameters that it reads."""


def extract(notebook: Source, cell: str, *, task: str) -> Extracted:
    """Turn a cell into a task function.

    Args:
        notebook: Where the cell is.
        cell: Its number among all cells, or its id.
        task: The name of the function.

    Raises:
        NotFoundError: There is no such cell of code.
        CallError: The cell cannot be a function of what other cells give; the message says why.
    """
    if not task.isidentifier() or task == HYPERPARAMETERS:
        raise CallError(f"{task!r} cannot name a task", hint="it is a Python name")
    chosen = _find(notebook, cell)
    rest = [other for other in notebook.code if other is not chosen and PARAMETERS not in other.tags]
    others = {other.number: parse(plain(other)) for other in rest}
    made = {*notebook.parameters, *(name for found in others.values() for name in found.stored)}
    own = parse(chosen).among(made)
    sources = {name: _source_of(name, chosen, notebook.parameters, others) for name in own.free}
    later = {name for number, found in others.items() if number > chosen.number for name in found.free}
    returned = _returned(chosen, own, later, task)
    if returned is not None and returned in made and returned not in own.bound:  # it may stay as another cell made it
        sources[returned] = _source_of(returned, chosen, notebook.parameters, others)
    inputs = [name for name, (kind, _) in sources.items() if kind == "task"]
    settings = [name for name, (kind, _) in sources.items() if kind == "parameter"]
    imports = [statement for kind, statement in sources.values() if kind == "import"]
    body = body_of(chosen, own, returned=returned)
    return Extracted(
        name=task,
        function=_function(task, inputs, settings, body),
        imports=tuple(dict.fromkeys(imports)),
        inputs=tuple(inputs),
        hyperparameters=tuple(settings),
    )


def insert(module: str, extracted: Extracted) -> str:
    """Put a task into the text of `train/main.py`: imports on top, the function before the experiment, which takes it.

    Raises:
        CallError: The module has no `experiment = Experiment(...)`, or the name already.
    """
    tree = ast.parse(module)
    taken = {statement.name for statement in tree.body if isinstance(statement, ast.FunctionDef | ast.ClassDef)}
    if extracted.name in taken:
        raise CallError(f"train/main.py has {extracted.name} already", hint="choose another --task")
    call = next((found for statement in tree.body if (found := _experiment(statement)) is not None), None)
    if call is None or not call.args:
        raise CallError("train/main.py has no experiment = Experiment(TASK, ...)", hint="write it, then try again")
    lines = module.splitlines(keepends=True)
    _insert_at(lines, call.args[-1], f", {extracted.name}")
    statement = next(one for one in tree.body if _experiment(one) is call)
    lines.insert(statement.lineno - 1, f"{extracted.function}\n\n")
    known = {ast.unparse(one) for one in tree.body if isinstance(one, ast.Import | ast.ImportFrom)}
    wanted = [one for one in ("from typing import Any", *extracted.imports) if one not in known]
    last = max((one.end_lineno or 0 for one in tree.body if isinstance(one, ast.Import | ast.ImportFrom)), default=0)
    lines.insert(last or _after_docstring(tree), "".join(f"{one}\n" for one in wanted))
    return "".join(lines)


def _source_of(
    name: str, cell: Cell, parameters: Collection[str], others: Mapping[int, Names]
) -> tuple[Literal["parameter", "import", "task", "builtin"], str]:
    """Tell where a free name of a cell comes from; of an import, the statement."""
    if name in parameters:
        return "parameter", ""
    if statement := next((found.imports[name] for found in others.values() if name in found.imports), None):
        return "import", statement
    if number := next((number for number, found in others.items() if name in found.functions), None):
        raise CallError(
            f"cell {cell.number} calls {name}, which cell {number} defines: a task's output is no function",
            hint=f"move {name} into a module of train/, import it in the notebook, and try again",
        )
    if any(name in found.stored for found in others.values()):
        return "task", ""
    if name not in BUILTIN:
        raise CallError(f"cell {cell.number} uses {name}, which no cell defines", hint="define it, or import it")
    return "builtin", ""


def _find(notebook: Source, cell: str) -> Cell:
    for found in notebook.code:
        if cell in {str(found.number), found.id}:
            return found
    numbers = ", ".join(f"{found.number} ({found.id})" if found.id else str(found.number) for found in notebook.code)
    raise NotFoundError(f"there is no cell of code {cell!r}", hint=f"there are {numbers or 'none'}")


def _returned(cell: Cell, own: Names, later: set[str], task: str) -> str | None:
    """Name what the task returns; None for its last expression.

    Raises:
        CallError: There is nothing to return, or more than one thing.
    """
    if own.is_async or own.scoped:
        what = "awaits at its top level" if own.is_async else f"says global {', '.join(own.scoped)}"
        raise CallError(f"cell {cell.number} {what}", hint="a task is a plain function")
    if own.stars:
        raise CallError(
            f"cell {cell.number} imports everything of {own.stars[0]}", hint="import the names that it uses"
        )
    if changed := sorted(own.changed):
        raise CallError(
            f"cell {cell.number} changes {changed[0]}, which another cell made: tasks do not change their inputs",
            hint=f"give what is changed a name of its own, as {task} = ...",
        )
    used = [name for name in own.stored if name in later]
    if task in own.stored and set(used) <= {task}:
        return task
    if len(used) > 1:
        raise CallError(
            f"cell {cell.number} makes {' and '.join(used)}, and later cells use each: a task returns one thing",
            hint="split the cell, or put them into one dataclass",
        )
    if used:
        return used[0]
    if own.ends_with_value:
        return None
    raise CallError(
        f"nothing of cell {cell.number} is used later, and it ends with no value",
        hint="end it with what the task returns",
    )


def _function(task: str, inputs: list[str], settings: list[str], body: str) -> str:
    given = [f"{name}: Any" for name in inputs] + ([f"{HYPERPARAMETERS}: Hyperparameters"] if settings else [])
    told = "\n".join(f"{INDENT}{name} = {HYPERPARAMETERS}.{name}" for name in settings)
    return "\n".join(filter(None, (f"def {task}({', '.join(given)}) -> Any:", told, body))) + "\n"


def _experiment(statement: ast.stmt) -> ast.Call | None:
    """Give the call of `experiment = Experiment(...)`."""
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or not isinstance(statement.value, ast.Call):
        return None
    targets: Iterable[ast.expr] = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    is_named = any(isinstance(target, ast.Name) and target.id == "experiment" for target in targets)
    called = statement.value.func
    is_experiment = getattr(called, "id", getattr(called, "attr", "")) == "Experiment"
    return statement.value if is_named and is_experiment else None


def _insert_at(lines: list[str], node: ast.expr, text: str) -> None:
    row, column = (node.end_lineno or 1) - 1, node.end_col_offset or 0
    lines[row] = spliced(lines[row], column, text)


def _after_docstring(tree: ast.Module) -> int:
    first = tree.body[0] if tree.body and ast.get_docstring(tree) is not None else None
    return 0 if first is None else first.end_lineno or 0
