"""`rung test`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from rung.errors import NotFoundError, WorkspaceError
from rung.workspace import find

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_KINDS = ("training", "serving", "regression", "data", "acceptance")
_FOLDERS = {"training": "train", "serving": "serve"}


@click.command(epilog="Example: rung test housing && rung test housing --url http://127.0.0.1:4780/housing/v1/m1")
@click.argument("service")
@click.argument("kinds", nargs=-1, type=click.Choice(_KINDS))
@click.option("--url", help="Endpoint to test, instead of the app in this process.")
@click.option("--run", "run", help="Training run whose artifacts and held-out rows are taken; default: the last one.")
@click.option("--record", "records", is_flag=True, help="Let calls to other systems through, and record them anew.")
def command(service: str, kinds: tuple[str, ...], url: str | None, run: str | None, records: bool) -> None:
    """Run a service's tests with pytest: of its code alone, and regression and data tests on a run's models.

    Acceptance tests need --url; with it they are the default too.
    """
    try:
        import pytest
    except ImportError as error:
        raise WorkspaceError(
            "tests need pytest, which is not installed here", hint="pip install 'rung[test]'"
        ) from error
    if records:
        os.environ["RUNG_RECORD"] = "1"
    workspace = find()
    folder = workspace.service(service).folder
    chosen = kinds or (("regression", "data", "acceptance") if url else ("training", "serving", "regression", "data"))
    arguments = [str(path) for kind in chosen for path in _files(folder, kind)]
    if not arguments:
        where = ", ".join(f"tests/{_FOLDERS[kind]}/" for kind in chosen)
        raise NotFoundError(f"{service} has no {' and '.join(chosen)} tests", hint=f"write test_*.py in {where}")
    arguments += ["--rootdir", str(workspace.root), "--import-mode=importlib", "-q"]
    arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # rung itself is imported by now
    if url:
        arguments += ["--rung-url", url]
    if run:
        arguments += ["--rung-run", run]
    sys.path.insert(0, str(workspace.root))
    recorder = _ServingRecorder()
    code = int(pytest.main(arguments, plugins=[recorder]))
    if recorder.passed:
        from rung.testing import keep_seen

        keep_seen(workspace.state, service, folder, serving=recorder.passed)
    raise SystemExit(code)


class _ServingRecorder:
    """Keeps which serving tests passed: the specification's edge cases name them."""

    def __init__(self) -> None:
        self.passed: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a report; a test of several cases has passed when all of them did."""
        path, _, name = report.nodeid.partition("::")
        if "/tests/serve/" in f"/{path}" and (report.when == "call" or report.failed):
            plain = name.rpartition("::")[2].partition("[")[0]
            self.passed[plain] = self.passed.get(plain, True) and report.passed


def _files(folder: Path, kind: str) -> list[Path]:
    if kind in _FOLDERS:
        return sorted((folder / "tests" / _FOLDERS[kind]).glob("test_*.py"))
    return [folder / "tests" / f"{kind}.py"]
