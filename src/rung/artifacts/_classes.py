"""Names of classes in artifacts, `module:QualName`, and the way back to the class.

Called by the structure encoder. Only a class that its name leads back to is written by name.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
from typing import Any

from rung.errors import CallError, TaskError


def path_of(kind: type) -> str:
    """Name the class as `module:QualName`; a class of a program run with `-m` by the module's real name."""
    return f"{_module_of(kind)}:{kind.__qualname__}"


def importable_path(kind: type) -> str | None:
    """Name the class, or give None when the name would not lead back to it (local or replaced classes)."""
    if _module_of(kind) == "__main__":
        return None
    return path_of(kind) if _walk(sys.modules.get(kind.__module__), kind.__qualname__) is kind else None


def fields_of(kind: Any, form: str) -> list[str]:
    """List the fields that values of the class have, in the class's order; an enum has none.

    Args:
        kind: the class.
        form: dataclass | enum | model | namedtuple.
    """
    if form == "model":
        return list(kind.model_fields)
    if form == "dataclass":
        return [field.name for field in dataclasses.fields(kind)]
    return list(kind._fields) if form == "namedtuple" else []


def find(path: str, *, trusted: bool) -> Any:
    """Find what `module:QualName` names.

    Without trust in the file that holds the name, only modules that are imported already are looked at: importing runs
    code, and a file must not choose it.

    Raises:
        CallError: the module is not imported and the file's digest was not checked.
        TaskError: the module or the name in it is gone.
    """
    module_name, _, qualname = path.partition(":")
    module = _main_as(module_name) or sys.modules.get(module_name)
    if module is None and not trusted:
        raise CallError(
            f"the artifact needs {path}, and reading it without its digest imports nothing",
            hint=f"give the digest, or import {module_name} first",
        )
    try:
        found = _walk(module or importlib.import_module(module_name), qualname)
    except ImportError as error:
        raise _gone(path, str(error)) from error
    if found is None:
        raise _gone(path, f"module {module_name} has no {qualname}")
    return found


def _module_of(kind: type) -> str:
    if kind.__module__ != "__main__":
        return kind.__module__
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec is not None else "__main__"


def _main_as(module_name: str) -> Any:
    """Give the running program's module when that is its real name, so that its classes are not made twice."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    return main if spec is not None and spec.name == module_name else None


def _walk(module: Any, qualname: str) -> Any:
    found = module
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found


def _gone(path: str, reason: str) -> TaskError:
    return TaskError(
        f"the artifact needs {path}, which cannot be found: {reason}",
        hint="put the class back where it was, or run the task again",
    )
