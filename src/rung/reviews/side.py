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
        "requirements": _pins(requirements.read_text()) if requirements.is_file() else {},
        "data tests": digest_tests(tests.data),
        "removed": dict(tests.removed),
        "regression tests": dict.fromkeys(tests.regression, "test"),
        "infrastructure": _flat(to_jsonable_python(tests.infrastructure)),
        "service levels": _flat(to_jsonable_python(tests.specification.service_level)),
        "A/B test": _flat(to_jsonable_python(tests.ab_test)),
    }


def _pins(text: str) -> dict[str, str]:
    """Read a requirement file: name, with its marker, to version."""
    pins = {}
    for line in text.splitlines():
        requirement, _, marker = line.partition("#")[0].partition(";")
        name, equals, version = requirement.partition("==")
        if requirement.strip():
            known = f"{name.strip()} ({marker.strip()})" if marker.strip() else name.strip()
            pins[known] = version.strip() if equals else "not pinned"
    return pins


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Name each figure of nested data by its path: `serving.vcpus`; of a list of named things by their names."""
    if isinstance(value, list) and all(isinstance(one, dict) and "name" in one for one in value):
        value = {one["name"]: {key: inner for key, inner in one.items() if key != "name"} for one in value}
    if not isinstance(value, dict):
        return {prefix: value}
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= _flat(inner, f"{prefix}.{name}" if prefix else str(name))
    return found


if __name__ == "__main__":
    sys.exit(main())
