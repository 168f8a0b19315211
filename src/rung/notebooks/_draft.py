"""The text of what follows from a notebook in a new service: its training, its schema, its pins. Pure.

What does not follow from it stands in the template `notebook`, as what the author is to write.
"""

from __future__ import annotations

import ast
import json
import sys
from typing import TYPE_CHECKING, Final

from rung.errors import CallError
from rung.graph import HYPERPARAMETERS
from rung.notebooks._marks import MODEL, annotation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rung.notebooks._marks import Marked
    from rung.notebooks._tasks import Tasks

__all__ = ["draft"]

_LOADING: Final = "load_data"
_SAMPLE: Final = "sample_data"
"""What `rung init --ci` writes trains with in its place."""
_OWN: Final = frozenset({"rung", "experiments"})
_WITH: Final[Mapping[str, tuple[str, ...]]] = {"sklearn": ("skops",), "pandas": ("pyarrow",)}
"""What artifacts of a library are stored with."""
_FRAMES: Final[Mapping[str, tuple[str, str, str]]] = {
    "pandas": (
        "import pandas as pd",
        "pd.DataFrame([one.model_dump() for one in instances])",
        'rows.to_dict("records")',
    ),
    "polars": ("import polars as pl", "pl.DataFrame([one.model_dump() for one in instances])", "rows.to_dicts()"),
    "numpy": (
        "import numpy as np",
        "np.array([list(one.model_dump().values()) for one in instances])",
        "[dict(zip(Instance.model_fields, row, strict=True)) for row in np.asarray(rows).tolist()]",
    ),
}
"""By the library that has the notebook's rows: its import, rows of instances, and fields of rows."""


def draft(
    marked: Marked, tasks: Tasks, *, service: str, notebook: str, pin: Callable[[str], Sequence[str]]
) -> dict[str, str]:
    """Write what follows from a notebook: text by the word of the template that stands for it.

    Args:
        marked: The notebook.
        tasks: Its tasks.
        service: The name of the new service.
        notebook: Its name.
        pin: Gives the pinned distributions of a module that can be imported here, none where it cannot.

    Raises:
        CallError: A module is imported that is not installed here.
    """
    used = [*tasks.imports, *tasks.shared_imports, *tasks.inside]
    modules = {module for statement in used for module in _modules(statement)} - _OWN - sys.stdlib_module_names
    rows = next((one for one in ("pandas", "polars") if one in modules), "numpy")
    line, to_frame, to_fields = _FRAMES[rows]
    field, value = next(iter(marked.example.prediction.items()))
    return {
        "title": json.dumps(marked.title or notebook, ensure_ascii=False)[1:-1],  # as TOML has it, too
        "prose": marked.prose or "What is decided with the answers, and by whom?",
        "notebook": notebook,
        "imports": _lines(tasks.imports),
        "shared_names": "".join(f"{name}, " for name in sorted(tasks.shared_names)),
        "hyperparameters": _hyperparameters(marked, service),
        "tasks": "\n\n".join(task.function for task in tasks.tasks),
        "sample": _sample(tasks),
        "evaluate": _evaluate(tasks, has_hyperparameters=bool(marked.parameters)),
        "shared_imports": _lines([line, *tasks.shared_imports]),
        "shared": "\n\n".join(f"{one}\n" for one in tasks.shared),
        "to_frame": to_frame,
        "to_fields": to_fields,
        "example": f"EXAMPLE = {dict(marked.example.instance)!r}",
        "instance": _fields(marked.example.instance),
        "field": field,
        "type": _field(value),
        "answer": repr(value),
        "data_test": _DATA_TESTS[isinstance(value, float)].replace("FIELD", field),
        "pins": "\n".join(_pins(modules | {rows, "numpy"}, pin)),
    }


def _hyperparameters(marked: Marked, service: str) -> str:
    if not marked.parameters:
        return ""
    fields = "\n".join(f"    {name}: {annotation(value)} = {value!r}" for name, value in marked.parameters.items())
    return (
        "class Hyperparameters(BaseModel):\n"
        f'    """What may be set for one run: `rung train {service} --set NAME=VALUE`. Write bounds, too."""\n\n'
        f'    model_config = ConfigDict(extra="forbid", frozen=True)\n\n{fields}\n\n\n'
    )


def _sample(tasks: Tasks) -> str:
    """Write what stands in for `load_data`, where that is a task, and the notebook has no such name itself."""
    names = {task.name for task in tasks.tasks} | set(tasks.shared_names)
    loading = next((task.function for task in tasks.tasks if task.name == _LOADING), None)
    if loading is None or names & {_SAMPLE, "sampled"}:
        return ""
    (node,) = ast.parse(loading).body
    assert isinstance(node, ast.FunctionDef)  # noqa: S101  as `_tasks` writes it
    given = ", ".join(one.arg for one in node.args.args)
    return (
        f"\ndef {_SAMPLE}({ast.unparse(node.args)}) -> Any:\n"
        f'    """Stand in for `{_LOADING}` when the training itself is tried out: 1,000 rows of it at most."""\n'
        f"    return sampled({_LOADING}({given}))\n\n"
    )


def _evaluate(tasks: Tasks, *, has_hyperparameters: bool) -> str:
    """Write the task that judges, and the experiment."""
    inputs = dict.fromkeys([*(task for task, _ in tasks.held_out.values()), MODEL])
    told = []
    for name, (_, read) in tasks.held_out.items():
        given = f"to_instances({read})" if name.startswith("X") else f"np.asarray({read}).tolist()"
        told.append(f"        {name}={given},\n")
    names = ", ".join(dict.fromkeys([*(task.name for task in tasks.tasks), "evaluate"]))
    more = f", {HYPERPARAMETERS}=Hyperparameters" if has_hyperparameters else ""
    about = '"""Run the data and regression tests against the serving app with this run\'s model."""'
    return (
        f"def evaluate({', '.join(f'{one}: Any' for one in inputs)}) -> TestResults:\n    {about}\n"
        f"    return evaluate_models(\n{''.join(told)}    )\n\n\nexperiment = Experiment({names}{more})\n"
    )


def _fields(example: Mapping[str, object]) -> str:
    return "\n".join(f"    {name}: {_field(value)}" for name, value in example.items())


def _field(value: object) -> str:
    """Spell the type of a field; a number must be one."""
    kind = annotation(value)
    return "Annotated[float, Field(allow_inf_nan=False)]" if kind == "float" else str(kind)


def _lines(statements: Iterable[str]) -> str:
    return "".join(f"{one}\n" for one in sorted(dict.fromkeys(statements)))


def _modules(statement: str) -> list[str]:
    """Give the outermost packages that a statement imports."""
    (node,) = ast.parse(statement).body
    if isinstance(node, ast.ImportFrom):
        return [str(node.module).partition(".")[0]]
    return [alias.name.partition(".")[0] for alias in node.names] if isinstance(node, ast.Import) else []


def _pins(modules: Iterable[str], pin: Callable[[str], Sequence[str]]) -> list[str]:
    """Pin what is imported, and what its values are stored with.

    Raises:
        CallError: A module is not installed.
    """
    wanted = dict.fromkeys(name for module in sorted(modules) for name in (module, *_WITH.get(module, ())))
    found: dict[str, None] = {}
    for module in wanted:
        pinned = pin(module)
        if not pinned:
            raise CallError(
                f"the notebook imports {module}, which is not installed here",
                hint="install it here, so that it can be pinned; a module of your own goes into a cell",
            )
        found |= dict.fromkeys(pinned)
    return sorted(found)


_DATA_TESTS: Final[Mapping[bool, str]] = {
    True: '''\
@goal.minimize
def mean_absolute_error(client, X_test, y_test) -> float:
    """How far a prediction is off, on average."""
    found = np.array([prediction.FIELD for prediction in client.predict(X_test)])
    return float(np.mean(np.abs(found - np.asarray(y_test))))
''',
    False: '''\
@goal.maximize
def accuracy(client, X_test, y_test) -> float:
    """Share of predictions that are exactly the truth."""
    found = np.array([prediction.FIELD for prediction in client.predict(X_test)])
    return float(np.mean(found == np.asarray(y_test)))
''',
}
