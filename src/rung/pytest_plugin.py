"""A service's tests under pytest: `experiments/SERVICE/tests/{regression,data,acceptance}.py`.

`rung test` and editors run them so. Without `--rung-url` the service answers in this process with the artifacts of a
training run (`--rung-run`, default the last that succeeded); with it, whatever listens there. Serving tests are
ordinary pytest tests and need nothing of this.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """What is tested."""

    client: RecordingClient
    rows: tuple[Any, Any]
    """Held-out instances and truths."""


_SUBJECTS: pytest.StashKey[dict[str, _Subject]] = pytest.StashKey()
_OPEN: pytest.StashKey[ExitStack] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("rung", "tests of a service")
    group.addoption("--rung-url", help="endpoint to test, as http://127.0.0.1:4780/housing/v1/m1")
    group.addoption("--rung-run", help="training run whose artifacts answer in this process")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the three kinds of test files of a service."""
    workspace = _workspace_of(file_path)
    if workspace is None:
        return None
    file: _ServiceFile = _ServiceFile.from_parent(parent, path=file_path)
    file.workspace = workspace
    return file


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Keep pytest from taking the same functions for tests of its own, which return nothing and take fixtures."""
    if _workspace_of(module_path) is None:
        return None
    nothing: _Nothing = _Nothing.from_parent(parent, path=module_path)
    return nothing


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the apps that were started."""
    session.config.stash.get(_OPEN, ExitStack()).close()


def _workspace_of(path: Path) -> Workspace | None:
    if path.suffix != ".py" or path.stem not in _KINDS or path.parent.name != "tests":
        return None
    if path.parents[2].name != "experiments":
        return None
    from rung.errors import WorkspaceError  # noqa: PLC0415  pytest loads this plugin in every project
    from rung.workspace import find  # noqa: PLC0415

    try:
        return find(path.parent)
    except WorkspaceError:
        return None


class _Nothing(pytest.File):
    """A file that is collected elsewhere."""

    def collect(self) -> Iterator[pytest.Item]:
        return iter(())


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
        from rung.testing import RecordingClient, run_regression_tests  # noqa: PLC0415  as above

        client = RecordingClient(self._subject().client.http, self._tests.handlers)
        (result,) = run_regression_tests({self.name: self._tests.regression[self.name]}, lambda: client)
        if not result.passed:
            pytest.fail(f"{self.name}: {result.because}", pytrace=False)

    def _score(self) -> None:
        from rung.testing._tests import score  # noqa: PLC0415  as above

        subject = self._subject()
        value, because = score(self._tests.data[self.name], subject.client, *subject.rows)
        if value is None:
            pytest.fail(f"{self.name}: {because}", pytrace=False)
        self.add_report_section("call", "value", f"{self.name} = {value:.6g}")
        self.user_properties.append(("value", value))

    def _accept(self) -> None:
        from rung.lifecycle import VerdictKind, judge_load  # noqa: PLC0415  as above
        from rung.testing.gate import requests  # noqa: PLC0415
        from rung.testing.load import LoadPlan, run_load  # noqa: PLC0415

        url = self.config.getoption("--rung-url")
        if not url:
            pytest.skip("an acceptance test sends load to a real endpoint: give --rung-url")
        drawn = requests(self._tests)
        measured = run_load(LoadPlan.model_validate(drawn["plan"]), url, self._workspace.state / "environments")
        verdict = judge_load(measured, drawn["limits"])
        if verdict.kind is not VerdictKind.PASS:
            pytest.fail(verdict.because, pytrace=False)

    def _subject(self) -> _Subject:
        """Give what is tested; it is started once for a service and stopped at the end."""
        known = self.config.stash.setdefault(_SUBJECTS, {})
        name = self._tests.service.name
        if name not in known:
            known[name] = self._start()
        return known[name]

    def _start(self) -> _Subject:
        import httpx2  # noqa: PLC0415  as above

        from rung._http import verify  # noqa: PLC0415
        from rung.testing import RecordingClient, serve_in_process  # noqa: PLC0415

        opened = self.config.stash.setdefault(_OPEN, ExitStack())
        values = _outputs(self._workspace, self._tests, self.config.getoption("--rung-run"))
        held_out = values.pop("held_out")
        url = self.config.getoption("--rung-url")
        if url:
            http = opened.enter_context(httpx2.Client(base_url=url, timeout=_TIMEOUT_S, verify=verify(url)))
            client = RecordingClient(http, self._tests.handlers)
        else:
            client = opened.enter_context(serve_in_process(self._tests.app, values))
        return _Subject(client=client, rows=(held_out["X_test"], held_out["y_test"]))


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
        trained = (found for found in list_runs(workspace.runs, service) if found.kind == "training")
        succeeded = (found for found in trained if found.status == "succeeded")
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
