"""A deployed training: `python -m rung.training.deployed --service housing` in the revision's own environment.

The control plane starts it in the revision's source snapshot. It takes no overrides. What it leaves: the run's folder
with log, record and artifacts, and the revision's bundle, from which servers start.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rung.errors import ConflictError, RungError
from rung.features import load_views
from rung.serving import Bundle, write_bundle
from rung.testing import TestResults, load_service_tests
from rung.training._test_digests import digest_tests
from rung.workspace import Workspace, find

if TYPE_CHECKING:
    from rung.training._experiment import Experiment

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Train and write the bundle; the exit code is kept with the revision."""
    parser = argparse.ArgumentParser(prog="python -m rung.training.deployed", description=__doc__)
    parser.add_argument("--service", required=True)
    parser.add_argument("--fresh", action="store_true", help="run every task: what is fetched may have changed")
    given = parser.parse_args(arguments)
    try:
        workspace = find(Path.cwd())
        sys.path.insert(0, str(workspace.root))
        train(workspace, given.service, revision=os.environ["RUNG_REVISION"], use_cache=not given.fresh)
    except RungError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def train(workspace: Workspace, service: str, *, revision: str, use_cache: bool = True) -> Bundle:
    """Run the service's experiment and write the bundle of the revision.

    Args:
        workspace: The source snapshot.
        service: Its service.
        revision: The revision's name.
        use_cache: False runs every task.

    Raises:
        TaskError: A task raised.
        ConflictError: The run ended without test results, or serving needs an artifact that it did not make.
    """
    module = importlib.import_module(f"{workspace.service(service).package}.train.main")
    experiment: Experiment = module.experiment
    record = experiment.run(use_cache=use_cache)
    experiment.save()
    results = next(
        (value for value in map(experiment.output, record.artifacts) if isinstance(value, TestResults)), None
    )
    if results is None:
        raise ConflictError(f"run {record.id} has no test results", hint="let a task return evaluate_models(...)")
    tests = load_service_tests(workspace, service)
    views = load_views(workspace, service)
    bundle = Bundle(
        revision=revision,
        run=record.id,
        artifacts=record.artifacts,
        contract=tests.contract.to_json(),
        infrastructure=tests.infrastructure.model_dump(mode="json"),
        ab_test=tests.ab_test.model_dump(mode="json"),
        data_tests=digest_tests(tests.data),
        regression_tests=digest_tests(tests.regression),
        removed_tests=dict(tests.removed),
        datasets={source.name: source.number for view in views.values() for source in view.sources},
        unit_header=tests.ab_test.unit_header,
        example=results.example,
    )
    write_bundle(workspace.state, bundle)
    return bundle


if __name__ == "__main__":
    sys.exit(main())
