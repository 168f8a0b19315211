"""A service as data, as the code in this folder declares it: `python -m rung.reviews.side --service housing`.

A job of `rung review`, run once in the base's files and once in the working tree. It trains and predicts nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from rung.errors import RungError
from rung.reviews._parts import flat, pins
from rung.testing import import_part, load_service_tests
from rung.training._test_digests import digest_tests
from rung.workspace import Workspace, find

__all__ = ["describe", "main"]


def main(arguments: list[str] | None = None) -> int:
    """Write the description of a service to standard output, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m rung.reviews.side", description=main.__doc__)
    parser.add_argument("--service", required=True)
    options = parser.parse_args(arguments)
    try:
        described = describe(find(Path.cwd()), options.service)
    except RungError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(described))
    return 0


def describe(workspace: Workspace, service: str) -> dict[str, Any]:
    """Give what a review compares.

    Raises:
        RungError: A module of the service cannot be imported.
    """
    tests = load_service_tests(workspace, service)
    experiment = import_part(tests.service, "train.main").experiment
    requirements = tests.service.requirements
    model = experiment.hyperparameters
    return {
        "contract": tests.contract.to_json(),
        "hyperparameters": {} if model is None else to_jsonable_python(model()),
        "tasks": dict.fromkeys(experiment.graph.tasks, "task"),
        "requirements": pins(requirements.read_text()) if requirements.is_file() else {},
        "data tests": digest_tests(tests.data),
        "removed": dict(tests.removed),
        "regression tests": dict.fromkeys(tests.regression, "test"),
        "infrastructure": flat(to_jsonable_python(tests.infrastructure)),
        "service levels": flat(to_jsonable_python(tests.specification.service_level)),
        "A/B test": flat(to_jsonable_python(tests.ab_test)),
    }


if __name__ == "__main__":
    sys.exit(main())
