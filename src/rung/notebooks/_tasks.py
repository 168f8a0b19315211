"""Marked cells become the tasks of a training: names that pass between cells become what tasks take and return. Pure.

A task means what its cell means when the notebook is run from top to bottom. What an unmarked cell makes is not guessed
at: functions, classes and constants come along, and all else must be marked or is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from rung.errors import CallError
from rung.graph import HYPERPARAMETERS
from rung.notebooks._code import BUILTIN, INDENT, body_of, parse, plain, says_inplace, shareable_of, with_files
from rung.notebooks._marks import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rung.notebooks._marks import Marked
    from rung.notebooks._names import Names
    from rung.notebooks._source import Cell

__all__ = ["HELD_OUT", "LEARNED", "Task", "Tasks", "read_tasks"]

HELD_OUT: Final = ("X_test", "y_test")
"""Names of the rows that no training sees, as scikit-learn's users write them."""
LEARNED: Final = ("X_train", "y_train")
_MODELS: Final = ("model",)
"""What the task of the model may call it."""
_IPYTHON: Final = frozenset({"display", "get_ipython"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A cell as a function."""

    name: str
    cell: int
    function: str
    inputs: tuple[str, ...]
    """Tasks whose outputs it takes."""
    returns: tuple[str, ...]
    """Names that it returns: one as it is, several as a dict; none: the value of its last expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """What a notebook gives a training."""

    tasks: tuple[Task, ...]
    held_out: Mapping[str, tuple[str, str]]
    """Of `X_test`, `y_test` and, where tasks make them, `X_train`, `y_train`: the task, and how it is read from it."""
    shared: tuple[str, ...]
    """Functions, classes and constants of unmarked cells that are used, as text."""
    shared_names: tuple[str, ...]
    """Those of them that tasks use."""
    imports: tuple[str, ...]
    """Statements that tasks need."""
    shared_imports: tuple[str, ...]
    """Statements that what is shared needs."""
    inside: tuple[str, ...]
    """Statements that stand within tasks."""


def read_tasks(marked: Marked, *, file_of: Callable[[str], str | None]) -> Tasks:
    """Turn the marked cells of a notebook into tasks.

    Args:
        marked: The notebook.
        file_of: Gives the path from the workspace's root for a text that names a file there; None for any other text.

    Raises:
        CallError: A cell cannot be a task; the message names the cell, and says why.
    """
    return _Reading.of(marked, file_of).tasks()


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One notebook on its way to tasks."""

    marked: Marked
    file_of: Callable[[str], str | None]
    cells: Mapping[int, Cell]
    names: Mapping[int, Names]
    makers: Mapping[str, Sequence[int]]
    """Numbers of the cells that make or change a name."""
    shareable: Mapping[str, tuple[int, str]]
    """Functions, classes and constants of unmarked cells: the cell, and the text."""
    given: dict[int, dict[str, None]] = field(default_factory=dict)
    """Names of each task that other tasks take."""
    sources: dict[int, dict[str, int]] = field(default_factory=dict)
    """Of each task the names that it takes, and the task that each comes from."""
    imports: dict[str, None] = field(default_factory=dict)
    shared: dict[str, None] = field(default_factory=dict)
    shared_imports: dict[str, None] = field(default_factory=dict)

    @classmethod
    def of(cls, marked: Marked, file_of: Callable[[str], str | None]) -> _Reading:
        cells = {one.number: one if one.number in marked.tasks else plain(one) for one in marked.cells}
        names: dict[int, Names] = {}
        makers: dict[str, list[int]] = {}
        for number, cell in cells.items():
            known = {name for name, made in makers.items() if made[-1] in marked.tasks} | marked.parameters.keys()
            found = names[number] = parse(cell).among(known)
            for name in dict.fromkeys([*found.stored, *sorted(found.changed)]):
                makers.setdefault(name, []).append(number)
        shareable = {
            name: (number, text)
            for number, cell in cells.items()
            if number not in marked.tasks
            for name, text in shareable_of(cell)
            if makers[name] == [number]
        }
        return cls(marked=marked, file_of=file_of, cells=cells, names=names, makers=makers, shareable=shareable)

    def tasks(self) -> Tasks:
        used: dict[str, None] = {}
        held_out = {name: self._held_out(name) for name in HELD_OUT}
        held_out |= {name: self._last(name) for name in LEARNED if all(self._is_made(one) for one in LEARNED)}
        for number in sorted(self.marked.tasks, reverse=True):  # what later ones take is what a task must give
            self._check(number)
            self.sources[number] = {}
            for name in (*self.names[number].free, *self._kept(number)):
                self._take(name, number, used)
        made = [self._task(number) for number in self.marked.tasks]
        returns = {one.cell: one for one in made}
        inside = [statement for number in self.marked.tasks for statement in self.names[number].imports.values()]
        return Tasks(
            tasks=tuple(made),
            held_out={
                name: (self.marked.tasks[cell], _read_from(returns[cell], name)) for name, cell in held_out.items()
            },
            shared=tuple(dict.fromkeys(self.shareable[name][1] for name in _ordered(self.shared, self.shareable))),
            shared_names=tuple(used),
            imports=tuple(self.imports),
            shared_imports=tuple(self.shared_imports),
            inside=tuple(inside),
        )

    # --- where names come from ---

    def _take(self, name: str, number: int, used: dict[str, None]) -> None:
        """Note where a task has a name from."""
        if name in self.marked.parameters and all(cell >= number for cell in self.makers.get(name, ())):
            return
        if name in _IPYTHON and name not in self.makers:
            raise CallError(f"cell {number} uses {name}, which is IPython's", hint="leave it away, or use print")
        if statement := self._import(name):
            self.imports[statement] = None
        elif name in self.shareable:
            used[name] = None
            self._share(name)
        elif name in self.makers:
            cell = self._maker(name, number)
            self.sources[number][name] = cell
            self.given.setdefault(cell, {})[name] = None
        elif name not in BUILTIN:
            raise CallError(f"cell {number} uses {name}, which no cell defines", hint="define it, or import it")

    def _kept(self, number: int) -> list[str]:
        """Name what a task gives and may leave as another one made it: it has that from there."""
        own = self.names[number]
        given = [name for name in self.given.get(number, ()) if name not in own.bound and name not in own.free]
        earlier = {name: [cell for cell in self.makers[name] if cell < number] for name in given}
        return [
            name
            for name, cells in earlier.items()
            if (cells[-1] in self.marked.tasks if cells else name in self.marked.parameters)
        ]

    def _maker(self, name: str, number: int) -> int:
        """Give the task that makes a name as a cell finds it when the notebook is run from top to bottom."""
        before = [one for one in self.makers[name] if one < number]
        if not before:
            raise CallError(
                f"cell {number} uses {name}, which only cell {self.makers[name][0]} makes, further down",
                hint="order the cells so that the notebook runs from top to bottom",
            )
        last = before[-1]
        if last not in self.marked.tasks:
            raise CallError(
                f"cell {number} uses {name} as cell {last} leaves it, which is no task",
                hint=f"begin cell {last} with `# task: NAME`; tag it parameters if a run may set {name}",
            )
        if name in self.names[last].functions:
            raise CallError(
                f"cell {number} uses {name}, which task {self.marked.tasks[last]} (cell {last}) defines",
                hint="define functions and classes in cells that are no tasks",
            )
        return last

    def _import(self, name: str) -> str | None:
        return next((found.imports[name] for found in self.names.values() if name in found.imports), None)

    def _share(self, name: str) -> None:
        """Let a function, a class or a constant come along, with what it uses itself."""
        if name in self.shared:
            return
        self.shared[name] = None
        cell, text = self.shareable[name]
        for other in parse(replace(self.cells[cell], source=text)).free:
            if statement := self._import(other):
                self.shared_imports[statement] = None
            elif other in self.shareable:
                self._share(other)
            elif other in self.marked.parameters or other in self.makers:
                raise CallError(
                    f"cell {cell}: {name} uses {other}, which is neither a constant nor handed to it",
                    hint=f"make {other} an argument of {name}",
                )
            elif other not in BUILTIN:
                raise CallError(f"cell {cell} uses {other}, which no cell defines", hint="define it, or import it")

    # --- what is held out ---

    def _is_made(self, name: str) -> bool:
        return any(number in self.marked.tasks for number in self.makers.get(name, ()))

    def _held_out(self, name: str) -> int:
        if not self._is_made(name):
            raise CallError(
                f"no task makes {name}: {' and '.join(HELD_OUT)} are the rows that no training sees",
                hint="name them so in the task that splits, as train_test_split's users do",
            )
        return self._last(name)

    def _last(self, name: str) -> int:
        cell = next(number for number in reversed(self.makers[name]) if number in self.marked.tasks)
        self.given.setdefault(cell, {})[name] = None
        return cell

    # --- functions ---

    def _check(self, number: int) -> None:
        """Refuse what no function can be."""
        own, name = self.names[number], self.marked.tasks[number]
        if own.is_async or own.scoped:
            what = "awaits at its top level" if own.is_async else f"says global {', '.join(own.scoped)}"
            raise CallError(f"cell {number} {what}", hint="a task is a plain function")
        if own.stars:
            raise CallError(f"cell {number} imports everything of {own.stars[0]}", hint="import the names that it uses")
        if says_inplace(self.cells[number].source):
            told = f"cell {number} says inplace=True: tasks do not change their inputs"
            raise CallError(told, hint="assign the result, as rows = rows.dropna()")
        if name in self.shareable or self._import(name) or name in self.marked.parameters:
            raise CallError(f"cell {number}: {name} is a name of the notebook already", hint="name the task otherwise")

    def _task(self, number: int) -> Task:
        cell, own, name = self.cells[number], self.names[number], self.marked.tasks[number]
        returns = self._returns(number)
        source = replace(cell, source=with_files(cell.source, self.file_of, self.marked.parameters))
        body = body_of(source, parse(source), returned=_returned(returns) if returns else None)
        lines = [f'"""Do what cell {number} of the notebook does."""']
        settings = [
            one
            for one in (*own.free, *self._kept(number))
            if one in self.marked.parameters and one not in self.sources[number]
        ]
        lines += [f"{one} = {HYPERPARAMETERS}.{one}" for one in settings]
        for taken, origin in self.sources[number].items():
            text = self._read(origin, taken)
            copied = f"copy.deepcopy({text})" if taken in own.changed else text
            lines += [] if copied == taken else [f"{taken} = {copied}"]
        inputs = tuple(dict.fromkeys(self.marked.tasks[origin] for origin in self.sources[number].values()))
        given = [f"{one}: Any" for one in inputs] + ([f"{HYPERPARAMETERS}: Hyperparameters"] if settings else [])
        head = f"def {name}({', '.join(given)}) -> Any:"
        told = "\n".join(INDENT + line for line in lines)
        return Task(name=name, cell=number, function=f"{head}\n{told}\n{body}\n", inputs=inputs, returns=returns)

    def _read(self, cell: int, name: str) -> str:
        """Spell how a name is read from the output of the task that makes it."""
        return self.marked.tasks[cell] if len(self._returns(cell)) == 1 else f'{self.marked.tasks[cell]}["{name}"]'

    def _returns(self, number: int) -> tuple[str, ...]:
        """Name what a task returns; nothing where that is its last expression."""
        wanted, own, name = tuple(self.given.get(number, ())), self.names[number], self.marked.tasks[number]
        likely = next((one for one in (name, *_MODELS) if one in own.stored and name in {one, MODEL}), None)
        if name == MODEL and len(set(wanted) | {likely} - {None}) > 1:
            told = " and ".join(dict.fromkeys([*filter(None, [likely]), *wanted]))
            raise CallError(
                f"cell {number}: {MODEL} makes {told}, and each is used: a model is one thing",
                hint="put its steps into one pipeline, and all else into tasks of their own",
            )
        if wanted or likely:
            return wanted or (str(likely),)
        later = {one for other, found in self.names.items() if other > number for one in found.free}
        shown = [one for one in own.stored if one in later]
        if len(shown) == 1 or own.ends_with_value:
            return tuple(shown[:1])
        raise CallError(
            f"cell {number}: it is not clear what the task {name} returns", hint=f"name that {name}, or end with it"
        )


def _read_from(task: Task, name: str) -> str:
    return task.name if len(task.returns) == 1 else f'{task.name}["{name}"]'


def _returned(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return "{" + ", ".join(f'"{name}": {name}' for name in names) + "}"


def _ordered(names: Iterable[str], shareable: Mapping[str, tuple[int, str]]) -> list[str]:
    """Order what is shared as the notebook has it."""
    chosen = set(names)
    return [name for name in shareable if name in chosen]
