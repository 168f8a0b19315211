"""A service's application and tests, imported from its package in the workspace."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.errors import WorkspaceError
from rung.schema import Contract, Specification, parse_specification
from rung.serving import Handler, handlers_of
from rung.testing._acceptance import AcceptanceTest
from rung.testing._goal import goal_of
from rung.testing._import import import_part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from fastapi import FastAPI

    from rung.infrastructure import Infrastructure
    from rung.schema import ABTest
    from rung.workspace import Service, Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTests:
    """Everything of a service that is tested, and the tests."""

    service: Service
    app: FastAPI
    handlers: Mapping[str, Handler]
    data: Mapping[str, Callable[..., float]]
    regression: Mapping[str, Callable[..., bool]]

    @property
    def contract(self) -> Contract:
        """The service's schema as data."""
        routes = {name: handler.contract for name, handler in self.handlers.items()}
        return Contract(major=self._schema().major, routes=routes)

    @property
    def ab_test(self) -> ABTest:
        """How promotion compares two revisions in production."""
        found: ABTest = self._schema().ab_test
        return found

    @property
    def infrastructure(self) -> Infrastructure:
        """What the service runs on."""
        found: Infrastructure = import_part(self.service, "infrastructure.hardware").infrastructure
        return found

    @property
    def acceptance(self) -> AcceptanceTest:
        """The load test.

        Raises:
            WorkspaceError: `tests/acceptance.py` has no `acceptance_test`.
        """
        found = getattr(import_part(self.service, "tests.acceptance"), "acceptance_test", None)
        if not isinstance(found, AcceptanceTest):
            raise WorkspaceError(
                f"{self.service.name}/tests/acceptance.py has no acceptance_test",
                hint="write acceptance_test = AcceptanceTest(requests=..., stages=[...])",
            )
        return found

    @property
    def specification(self) -> Specification:
        """The service levels that consumers rely on."""
        path = self.service.specification
        return parse_specification(path.read_text(), name=str(path))

    def _schema(self) -> ModuleType:
        return import_part(self.service, "schema.service")


def load_service_tests(workspace: Workspace, name: str) -> ServiceTests:
    """Import a service's application, data tests and regression tests.

    Raises:
        NotFoundError: There is no such service.
        TaskError: A module of the service cannot be imported.
        WorkspaceError: `serve/app.py` has no `app`.
    """
    service = workspace.service(name)
    if str(workspace.root) not in sys.path:
        sys.path.insert(0, str(workspace.root))
    app = getattr(import_part(service, "serve.app"), "app", None)
    if app is None:
        raise WorkspaceError(f"{name}/serve/app.py has no app", hint="write app = create_serving_app(predict=predict)")
    data = _functions(import_part(service, "tests.data"))
    return ServiceTests(
        service=service,
        app=app,
        handlers=handlers_of(app),
        data={name: function for name, function in data.items() if goal_of(function)},
        regression={
            name: function
            for name, function in _functions(import_part(service, "tests.regression")).items()
            if name.startswith("test_")
        },
    )


def _functions(module: ModuleType) -> dict[str, Any]:
    """Give the functions that the module defines itself, in the order of the file."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    }
