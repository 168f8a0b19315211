"""Modules of a service, imported by name with an error that says what to do. Nothing else is imported with it."""

from __future__ import annotations

import importlib
import traceback
from typing import TYPE_CHECKING

from rung.errors import RungError, TaskError

if TYPE_CHECKING:
    from types import ModuleType

    from rung.workspace import Service


def import_part(service: Service, part: str) -> ModuleType:
    """Import a module of the service.

    Raises:
        TaskError: Its code raised, or needs a library that is not installed.
    """
    module = f"{service.package}.{part}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        hint = (
            f"create {module.replace('.', '/')}.py"
            if missing.startswith(service.package)
            else f"install it: uv pip install -r {service.requirements}"
        )
        raise TaskError(f"{module} needs {missing!r}, which is not there", hint=hint) from error
    except SyntaxError as error:
        raise TaskError(f"{module} is not Python: {error}", hint="mend that line") from error
    except RungError:
        raise
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise TaskError(
            f"{module} raised {type(error).__name__}: {error}", hint=f"look at {at.filename}:{at.lineno}"
        ) from error
