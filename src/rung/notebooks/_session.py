"""Inside a run of a notebook, in its kernel: what it reads and what it records is put beside its run.

The kernel begins the session; `rung.record` writes into it. Each fact is on the disk at once: a kernel may be killed.
"""

from __future__ import annotations

import io
import json
import math
import re
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from rung import artifacts
from rung.errors import CallError, NotFoundError
from rung.training._context import TaskContext, notice_dataset, under_way
from rung.workspace import Workspace, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["READ", "RECORDED", "TASK", "begin", "record"]

TASK: Final = "notebook"
"""The one task of a run of a notebook, and the artifact that keeps the executed notebook."""
READ: Final = "read.json"
"""In the run's folder: files and datasets that were read."""
RECORDED: Final = "recorded.jsonl"
"""In the run's folder: what was recorded, one line each; of a name the last one counts."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


@dataclass(slots=True, kw_only=True)
class _Session:
    """The run that this kernel belongs to."""

    folder: Path
    """Of the run."""
    context: TaskContext

    def keep_reads(self, *_: object) -> None:
        """Write down what was read so far."""
        write_atomically(self.folder / READ, json.dumps(self.context.data).encode())

    def add(self, told: Mapping[str, Any]) -> None:
        """Append one recorded value."""
        with (self.folder / RECORDED).open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")

    def store(self) -> artifacts.LocalStore:
        """Give the store that outputs go to."""
        return artifacts.LocalStore(self.context.workspace.artifacts)


_open: list[_Session] = []
"""None in a notebook that somebody runs by hand."""


def begin(workspace: Workspace, service: str, folder: Path) -> _Session:
    """Note from now on what is read in this process, as of a run."""
    context = TaskContext(workspace=workspace, service=service, task=TASK, output=_no_output)
    session = _Session(folder=folder, context=context)
    under_way.append(context)
    noticing = ExitStack()
    try:
        from rung.data import noticing as noticing_data  # noqa: PLC0415  optional: the extra `data`
    except ImportError:
        pass
    else:
        noticing.enter_context(noticing_data(notice_dataset))
    _open.append(session)
    return session


def record(name: str, value: Any) -> None:
    """Put a result of the notebook on record, for `rung runs` to show and compare; in a script it only says so.

    A number becomes a metric. All else is kept as an artifact of the run: tables, arrays, models, text, and figures of
    matplotlib as PNG. Of a name that is recorded twice the last value counts.

    Args:
        name: A Python name.
        value: What to keep.

    Raises:
        CallError: The name is none, or the number is not finite.
        TaskError: The value cannot be kept.
    """
    if not _NAME.fullmatch(name) or name == TASK:
        raise CallError(f"{name!r} cannot name a result", hint=f"use letters, digits and _; not {TASK!r}")
    number = _number(name, value)
    if not _open:
        sys.stderr.write(f"{name} is not kept: this is no run; `rung notebook run` makes one\n")
        return
    session = _open[-1]
    if number is not None:
        session.add({"name": name, "metric": number})
        return
    data = artifacts.encode(_picture(value))
    session.add({"name": name, "digest": session.store().put(data), "size": len(data)})


def _number(name: str, value: Any) -> float | None:
    """Give a number as a float, of NumPy and polars too; None for all else."""
    is_number = isinstance(value, int | float) or (
        not isinstance(value, str | bytes) and hasattr(value, "__float__") and getattr(value, "shape", None) == ()
    )
    if isinstance(value, bool) or not is_number:
        return None
    number = float(value)
    if not math.isfinite(number):
        raise CallError(f"{name} = {number} is not a finite number", hint="record what it was computed from, too")
    return number


def _picture(value: Any) -> Any:
    """Give a figure of matplotlib as PNG; all else as it is."""
    if not callable(getattr(value, "savefig", None)):
        return value
    file = io.BytesIO()
    value.savefig(file, format="png")
    return file.getvalue()


def _no_output(name: str) -> NoReturn:
    raise NotFoundError(f"a notebook has no output {name!r} of a task", hint="rung.load(RUN).artifact(NAME) gives one")
