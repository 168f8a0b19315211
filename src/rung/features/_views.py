"""The views of a service: those that its `features.py` defines or imports. Found by their names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from typing import TYPE_CHECKING

from rung.errors import NotFoundError, RungError, SchemaError, TaskError
from rung.features._view import FeatureView

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from rung.workspace import Workspace

__all__ = ["load_views", "view_of", "views_of"]


def load_views(workspace: Workspace, service: str) -> dict[str, FeatureView]:
    """Import a service's `features.py` and give its views by name; none when there is no such file.

    Raises:
        NotFoundError: There is no such service.
        TaskError: The file cannot be imported.
        SchemaError: Two views have one name, or a view is not as it must be.
    """
    package = workspace.service(service).package
    if str(workspace.root) not in sys.path:
        sys.path.insert(0, str(workspace.root))
    return views_of(package)


def views_of(package: str) -> dict[str, FeatureView]:
    """Give the views of the module `features` of a package, by name.

    Raises:
        TaskError: It cannot be imported.
        SchemaError: Two views have one name, or a view is not as it must be.
    """
    name = f"{package}.features"
    if importlib.util.find_spec(name) is None:
        return {}
    return _named(_imported(name))


def view_of(views: Iterable[FeatureView], name: str) -> FeatureView:
    """Give the view of that name.

    Raises:
        NotFoundError: There is none.
    """
    found = {view.name: view for view in views}
    if name not in found:
        known = ", ".join(sorted(found)) or "none yet"
        raise NotFoundError(f"there is no view {name!r}", hint=f"the views of features.py are: {known}")
    return found[name]


def _named(module: ModuleType) -> dict[str, FeatureView]:
    found: dict[str, FeatureView] = {}
    for view in vars(module).values():
        if isinstance(view, FeatureView) and found.setdefault(view.name, view) is not view:
            raise SchemaError(f"{module.__name__} has two views {view.name!r}", hint="give one of them another name")
    return found


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except RungError:
        raise
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise TaskError(
            f"{name} raised {type(error).__name__}: {error}", hint=f"look at {at.filename}:{at.lineno}"
        ) from error
