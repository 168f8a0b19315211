"""Functions become a task graph by the names of their parameters. Pure; `training` runs what this plans.

A task is a plain function. A parameter names the task whose output it takes; the reserved name `hyperparameters`
takes the experiment's hyperparameter model.
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
import json
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from rung.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["HYPERPARAMETERS", "Graph", "Task", "build", "fingerprint", "replace"]

HYPERPARAMETERS = "hyperparameters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One function of an experiment."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[str, ...]
    """Names of the tasks whose outputs it takes, in the order of its parameters."""
    takes_hyperparameters: bool
    returns: Any
    """The return annotation, as written (a string under postponed evaluation), or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Tasks in an order in which each comes after all that it needs."""

    tasks: Mapping[str, Task]

    def upstream(self, name: str) -> frozenset[str]:
        """Name all tasks that `name` needs, directly or not."""
        needed: set[str] = set()
        queue = list(self.tasks[name].inputs)
        while queue:
            task = queue.pop()
            if task not in needed:
                needed.add(task)
                queue.extend(self.tasks[task].inputs)
        return frozenset(needed)


def build(functions: Iterable[Callable[..., Any]]) -> Graph:
    """Compose functions to a graph.

    >>> def load() -> int: return 1
    >>> def double(load: int) -> int: return 2 * load
    >>> list(build([double, load]).tasks)
    ['load', 'double']

    Raises:
        GraphError: Two tasks of one name, a parameter that names no task, a cycle, or a parameter that cannot be named.
    """
    tasks: dict[str, Task] = {}
    for function in functions:
        name = getattr(function, "__name__", None)
        if not callable(function) or name is None:
            raise _no_task(function)
        if name in tasks:
            raise GraphError(f"two tasks are named {name!r}", hint="rename one of the two functions")
        if name == HYPERPARAMETERS or name.startswith("<"):
            raise GraphError(f"a task cannot be named {name!r}", hint="write it as a function with a name of its own")
        tasks[name] = _task(name, function)
    known = frozenset(tasks)
    wired = {name: _wire(task, known) for name, task in tasks.items()}
    return Graph(tasks={name: wired[name] for name in _order(wired)})


def replace(graph: Graph, overrides: Mapping[str, Callable[..., Any]]) -> Graph:
    """Swap the functions of some tasks; the tasks keep their names.

    Raises:
        GraphError: An override names no task, or the graph does not hold together with it.
    """
    unknown = sorted(overrides.keys() - graph.tasks.keys())
    if unknown:
        raise GraphError(f"there is no task {unknown[0]!r} to override", hint=_nearest(unknown[0], graph.tasks))
    tasks = dict(graph.tasks)
    for name, function in overrides.items():
        tasks[name] = _wire(_task(name, function), graph.tasks.keys())
    return Graph(tasks={name: tasks[name] for name in _order(tasks)})


def fingerprint(
    task: Task, *, closure: str, upstream: Mapping[str, str], hyperparameters: Mapping[str, Any], environment: str
) -> str:
    """Give the cache key of a task: all that its output depends on, as one digest.

    Args:
        task: The task.
        closure: Digest of the code that the task reaches.
        upstream: Keys of the tasks that it takes from, by name. Keys, not digests of their outputs: an output that is
            equal by chance may come from other code.
        hyperparameters: Values of those hyperparameters that the task reads, as JSON data.
        environment: Digest of the installed distributions.
    """
    covered = {
        "task": task.name,
        "closure": closure,
        "upstream": {name: upstream[name] for name in task.inputs},
        "hyperparameters": dict(hyperparameters),
        "environment": environment,
    }
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()


def _task(name: str, function: Callable[..., Any]) -> Task:
    inputs: list[str] = []
    takes_hyperparameters = False
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # not callable, or built in and without a signature
        raise _no_task(function) from None
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise GraphError(
                f"task {name!r} has the parameter {parameter}, which cannot name a task",
                hint="name each input: def train(split, hyperparameters)",
            )
        if parameter.name == HYPERPARAMETERS:
            takes_hyperparameters = True
        else:
            inputs.append(parameter.name if parameter.default is parameter.empty else f"?{parameter.name}")
    return Task(
        name=name,
        function=function,
        inputs=tuple(inputs),
        takes_hyperparameters=takes_hyperparameters,
        returns=getattr(function, "__annotations__", {}).get("return"),
    )


def _wire(task: Task, known: Iterable[str]) -> Task:
    """Resolve the inputs: one with a default (`?name`) is taken from a task only where there is one."""
    names = frozenset(known)
    inputs: list[str] = []
    for marked in task.inputs:
        name = marked.removeprefix("?")
        if name in names:
            inputs.append(name)
        elif name == marked:
            raise GraphError(
                f"task {task.name!r} takes {name!r}, and no task has that name",
                hint=_nearest(name, {*names, HYPERPARAMETERS} - {task.name}),
            )
    return Task(
        name=task.name,
        function=task.function,
        inputs=tuple(inputs),
        takes_hyperparameters=task.takes_hyperparameters,
        returns=task.returns,
    )


def _order(tasks: Mapping[str, Task]) -> list[str]:
    try:
        return list(TopologicalSorter({name: task.inputs for name, task in tasks.items()}).static_order())
    except CycleError as error:
        path = " -> ".join(reversed(error.args[1]))
        raise GraphError(f"the tasks go in a circle: {path}", hint="take one of these parameters away") from None


def _no_task(function: object) -> GraphError:
    return GraphError(f"{function!r} is not a task", hint="give functions: Experiment(load_data, split, ...)")


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"it may be one of {', '.join(names)}"
