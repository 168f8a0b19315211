"""A service's tests under pytest: `experiments/SERVICE/tests/{regression,data,acceptance}.py`.

`rung test` and editors run them so. Without `--rung-url` the service answers in this process with the artifacts of a
training run (`--rung-run`, default the last that succeeded); with it, whatever listens there. Serving tests are
ordinary pytest tests and need nothing of this.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.testing._client import RecordingClient
    from rung.testing._service import ServiceTests
    from rung.workspace import Workspace

_KINDS = ("regression", "data", "acceptance")
_TIMEOUT_S = 60.0  # of one request to an endpoint


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("rung", "tests of a service")
    group.addoption("--rung-url", help="endpoint to test, as http://127.0.0.1:4780/housing/v1/m1")
    group.addoption("--rung-run", help="training run whose artifacts answer in this process")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the three kinds of test files of a service."""
    if file_path.suffix != ".py" or file_path.stem not in _KINDS or file_path.parent.name != "tests":
        return None
    if file_path.parents[2].name != "experiments":
        return None
    from rung.errors import WorkspaceError  # noqa: PLC0415  pytest loads this plugin in every project
    from rung.workspace import find  # noqa: PLC0415

    try:
        workspace = find(file_path.parent)
    except WorkspaceError:
        return None
    file: _ServiceFile = _ServiceFile.from_parent(parent, path=file_path)
    file.workspace = workspace
    return file


class _ServiceFile(pytest.File):
    """One file of a service's tests."""

    workspace: Workspace

    def collect(self) -> Iterator[pytest.Item]:
        from rung.testing import load_service_tests  # noqa: PLC0415  as above

        tests = load_service_tests(self.workspace, self.path.parents[1].name)
        if self.path.stem == "acceptance":
            yield _Item.from_parent(self, name="acceptance_test", tests=tests, workspace=self.workspace)
            return
        functions = tests.regression if self.path.stem == "regression" else tests.data
        for name in functions:
            yield _Item.from_parent(self, name=name, tests=tests, workspace=self.workspace)


class _Item(pytest.Item):
    """One test of a service."""

    def __init__(self, *, tests: ServiceTests, workspace: Workspace, **given: Any) -> None:
        super().__init__(**given)
        self._tests = tests
        self._workspace = workspace

    def runtest(self) -> None:
        if self.path.stem == "acceptance":
            self._accept()
        elif self.path.stem == "regression":
            self._regress()
        else:
            self._score()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the reason of a failed test without the frames of this plugin."""
        if isinstance(excinfo.value, pytest.fail.Exception):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name

    def _regress(self) -> None:
        from rung.testing import run_regression_tests  # noqa: PLC0415  as above

        with self._subject() as (client, _):
            (result,) = run_regression_tests({self.name: self._tests.regression[self.name]}, lambda: client)
        if not result.passed:
            pytest.fail(f"{self.name}: {result.because}", pytrace=False)

    def _score(self) -> None:
        from rung.testing._tests import score  # noqa: PLC0415  as above

        with self._subject() as (client, rows):
            value, because = score(self._tests.data[self.name], client, *rows)
        if value is None:
            pytest.fail(f"{self.name}: {because}", pytrace=False)
        self.add_report_section("call", "value", f"{self.name} = {value:.6g}")
        self.user_properties.append(("value", value))

    def _accept(self) -> None:
        from rung.lifecycle import VerdictKind, judge_load  # noqa: PLC0415  as above
        from rung.testing.gate import requests  # noqa: PLC0415
        from rung.testing.load import run_load  # noqa: PLC0415

        url = self.config.getoption("--rung-url")
        if not url:
            pytest.skip("an acceptance test sends load to a real endpoint: give --rung-url")
        drawn = requests(self._tests)
        measured = run_load(drawn["plan"], url, self._workspace.state / "environments")
        verdict = judge_load(measured, drawn["limits"])
        if verdict.kind is not VerdictKind.PASS:
            pytest.fail(verdict.because, pytrace=False)

    @contextmanager
    def _subject(self) -> Iterator[tuple[RecordingClient, tuple[Any, Any]]]:
        """Give a client of what is tested, and the held-out rows of the run."""
        import httpx2  # noqa: PLC0415  as above

        from rung.testing import RecordingClient, serve_in_process  # noqa: PLC0415

        values = _outputs(self._workspace, self._tests, self.config.getoption("--rung-run"))
        held_out = values.pop("held_out")
        rows = (held_out["X_test"], held_out["y_test"])
        url = self.config.getoption("--rung-url")
        if url:
            with httpx2.Client(base_url=url, timeout=_TIMEOUT_S) as http:
                yield RecordingClient(http, self._tests.handlers), rows
        else:
            with serve_in_process(self._tests.app, values) as client:
                yield client, rows


def _outputs(workspace: Workspace, tests: ServiceTests, run: str | None) -> dict[str, Any]:
    """Load what the handlers take, and the held-out rows, from a training run."""
    from rung import artifacts  # noqa: PLC0415  as above
    from rung.errors import NotFoundError  # noqa: PLC0415
    from rung.serving import Artifacts, needed_artifacts  # noqa: PLC0415
    from rung.training import list_runs, read_run  # noqa: PLC0415

    service = tests.service.name
    if run is not None:
        record = read_run(workspace.runs / run)
    else:
        succeeded = (found for found in list_runs(workspace.runs, service) if found.status == "succeeded")
        latest = next(succeeded, None)
        if latest is None:
            raise NotFoundError(f"{service} has not been trained", hint=f"`rung train {service}` first")
        record = latest
    needed = needed_artifacts(tests.app)
    foreign = frozenset(name for name in needed if "." in name)
    store = artifacts.LocalStore(workspace.artifacts)
    values: dict[str, Any] = {}
    for name in sorted(needed - foreign | {"held_out"}):
        if name not in record.artifacts:
            raise NotFoundError(f"run {record.id} has no output {name!r}", hint=f"`rung train {service}` anew")
        digest = record.artifacts[name]
        values[name] = artifacts.decode(store.get(digest), digest=digest)
    others = Artifacts()
    others.load(foreign, state=workspace.state, revision="")
    return values | {name: others.get(name) for name in foreign}
