"""A service's application and tests, imported from its package in the workspace."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rung.errors import WorkspaceError
from rung.schema import Contract, Specification, parse_specification
from rung.serving import Handler, handlers_of
from rung.testing._acceptance import AcceptanceTest
from rung.testing._goal import goal_of
from rung.testing._import import import_part
from rung.testing._sensitive import Sensitive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from fastapi import FastAPI

    from rung.infrastructure import Infrastructure
    from rung.schema import ABTest
    from rung.workspace import Service, Workspace

    UpgradeRequest = Callable[[str, dict[str, Any]], tuple[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTests:
    """Everything of a service that is tested, and the tests."""

    service: Service
    app: FastAPI
    handlers: Mapping[str, Handler]
    data: Mapping[str, Callable[..., float]]
    regression: Mapping[str, Callable[..., bool]]
    removed: Mapping[str, str] = field(default_factory=dict)
    """Tests that are gone, each with the author's reason."""
    sensitive: tuple[Sensitive, ...] = ()
    """Attributes by whose groups the data tests are computed, too."""

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

    @property
    def upgrade_request(self) -> UpgradeRequest | None:
        """The function that turns a request of the major before into one of this; None where none is declared."""
        found: UpgradeRequest | None = getattr(self._schema(), "upgrade_request", None)
        return found

    def _schema(self) -> ModuleType:
        return import_part(self.service, "schema.service")


def load_service_tests(workspace: Workspace, name: str) -> ServiceTests:
    """Import a service's application, data tests and regression tests.

    Raises:
        NotFoundError: There is no such service.
        TaskError: A module of the service cannot be imported.
        WorkspaceError: `serve/app.py` has no `app`, or `removed` or `sensitive` of its tests is wrong.
    """
    service = workspace.service(name)
    if str(workspace.root) not in sys.path:
        sys.path.insert(0, str(workspace.root))
    app = getattr(import_part(service, "serve.app"), "app", None)
    if app is None:
        raise WorkspaceError(f"{name}/serve/app.py has no app", hint="write app = create_serving_app(predict=predict)")
    data_module = import_part(service, "tests.data")
    data = {name: function for name, function in _functions(data_module).items() if goal_of(function)}
    regression_module = import_part(service, "tests.regression")
    regression = {name: test for name, test in _functions(regression_module).items() if name.startswith("test_")}
    return ServiceTests(
        service=service,
        app=app,
        handlers=handlers_of(app),
        data=data,
        regression=regression,
        removed={**_removed(data_module, data), **_removed(regression_module, regression)},
        sensitive=_sensitive(data_module),
    )


def _removed(module: ModuleType, tests: Mapping[str, Any]) -> dict[str, str]:
    """Read the reasons for tests that are gone: `removed = {"r2": "why"}`."""
    removed = getattr(module, "removed", {})
    if not isinstance(removed, dict) or not all(
        isinstance(name, str) and isinstance(because, str) and because.strip() for name, because in removed.items()
    ):
        raise WorkspaceError(
            f"{module.__name__}: removed must name tests, each with a reason",
            hint='write removed = {"r2": "why it is gone"}',
        )
    if back := sorted(removed.keys() & tests.keys()):
        raise WorkspaceError(
            f"{module.__name__} has the test {back[0]} and says that it is removed", hint="take it out of removed"
        )
    return removed


def _sensitive(module: ModuleType) -> tuple[Sensitive, ...]:
    """Read the declared attributes: `sensitive = [Sensitive("garage")]`."""
    declared = getattr(module, "sensitive", ())
    if not isinstance(declared, list | tuple) or not all(isinstance(one, Sensitive) for one in declared):
        raise WorkspaceError(
            f"{module.__name__}: sensitive must be a list of Sensitive", hint='write sensitive = [Sensitive("garage")]'
        )
    return tuple(declared)


def _functions(module: ModuleType) -> dict[str, Any]:
    """Give the functions that the module defines itself, in the order of the file."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    }
