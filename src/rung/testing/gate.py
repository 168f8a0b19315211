"""The author's tests against live endpoints, as a job of a promotion: `python -m rung.testing.gate KIND ...`.

It runs in the candidate's own environment and source snapshot, writes figures, and judges nothing: the control plane
does. Kinds: `regression`, `data` (paired with a reference on the same held-out rows), `requests` (for the load test).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from pydantic_core import to_jsonable_python

from rung import artifacts
from rung.errors import NotFoundError, RungError
from rung.serving import read_bundle
from rung.testing._client import RecordingClient
from rung.testing._goal import goal_of
from rung.testing._service import ServiceTests, load_service_tests
from rung.testing._tests import run_regression_tests, score_groups
from rung.workspace import Workspace, find, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_TIMEOUT_S = 60.0
_REQUESTS = 200  # different requests that a load test sends in turn
_OPEN_S = 5.0  # seconds at the promised rate


def main(arguments: list[str] | None = None) -> int:
    """Run the tests of one kind and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m rung.testing.gate", description=__doc__)
    parser.add_argument("kind", choices=("regression", "data", "requests"))
    parser.add_argument("--service", required=True)
    parser.add_argument("--result", required=True, type=Path)
    parser.add_argument("--url", default="", help="endpoint of the candidate")
    parser.add_argument("--reference", default="", help="endpoint that it is compared with")
    parser.add_argument("--reference-tests", default="", help="data tests that the reference was evaluated with")
    options = parser.parse_args(arguments)
    try:
        workspace = find(Path.cwd())
        tests = load_service_tests(workspace, options.service)
        figures = _figures(workspace, tests, options)
    except (RungError, httpx2.HTTPError) as error:
        sys.stderr.write(f"{error}\n")
        return getattr(error, "exit_code", 1)
    write_atomically(options.result, json.dumps(figures).encode())
    return 0


def _figures(workspace: Workspace, tests: ServiceTests, options: argparse.Namespace) -> dict[str, Any]:
    if options.kind == "requests":
        return requests(tests)
    with _client(options.url) as http:
        if options.kind == "regression":
            found = run_regression_tests(tests.regression, lambda: RecordingClient(http, tests.handlers))
            return {"tests": [result.model_dump() for result in found]}
        with _client(options.reference) as other:
            known = frozenset(options.reference_tests.split(",")) if options.reference_tests else frozenset(tests.data)
            return paired(
                tests,
                (RecordingClient(http, tests.handlers), RecordingClient(other, tests.handlers)),
                held_out(workspace, os.environ["RUNG_REVISION"]),
                known=known,
            )


def paired(
    tests: ServiceTests,
    clients: tuple[RecordingClient, RecordingClient],
    rows: tuple[Any, Any],
    *,
    known: frozenset[str],
) -> dict[str, Any]:
    """Score every data test on candidate and reference, on the same rows and the same groups.

    Args:
        tests: The candidate's tests.
        clients: Of the candidate and of the reference.
        rows: The candidate's held-out instances and truths.
        known: Tests that the reference had too; others are scored on the candidate alone.
    """
    members = groups(len(rows[1]))
    results = []
    for name, test in tests.data.items():
        scores = [
            score_groups(test, client, rows, members) if client is clients[0] or name in known else None
            for client in clients
        ]
        candidate, reference = (score if score is None or isinstance(score, str) else asdict(score) for score in scores)
        results.append({"name": name, "goal": goal_of(test), "candidate": candidate, "reference": reference})
    return {"rows": len(rows[1]), "tests": results}


def groups(rows: int, count: int = 50) -> list[int]:
    """Give each row a group: a fixed shuffle, groups of equal size. As `stats.groups`, which needs numpy.

    >>> groups(4, 2)
    [1, 0, 0, 1]
    """
    order = list(range(rows))
    random.Random(0).shuffle(order)  # noqa: S311  no secret is drawn
    members = [0] * rows
    for position, row in enumerate(order):
        members[row] = position % count
    return members


def requests(tests: ServiceTests) -> dict[str, Any]:
    """Draw the requests of the load test, with its stages and limits."""
    acceptance = tests.acceptance
    limits = acceptance.limits(tests.specification.service_level)
    return {
        "plan": {
            "route": acceptance.route,
            "bodies": to_jsonable_python(acceptance.sample(_REQUESTS)),
            "stages": [stage.model_dump() for stage in acceptance.stages],
            "open": {"rate_rps": limits.throughput_rps, "duration_s": _OPEN_S},
        },
        "limits": limits.model_dump(),
    }


def held_out(workspace: Workspace, revision: str) -> tuple[Sequence[Any], Sequence[Any]]:
    """Load the rows that the revision's training held out.

    Raises:
        NotFoundError: The training kept none.
    """
    digest = read_bundle(workspace.state, revision).artifacts.get("held_out")
    if digest is None:
        raise NotFoundError(f"the training of {revision} kept no held-out rows", hint="train it with evaluate_models")
    value = artifacts.decode(artifacts.LocalStore(workspace.artifacts).get(digest), digest=digest)
    return value["X_test"], value["y_test"]


def _client(url: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, timeout=_TIMEOUT_S)


if __name__ == "__main__":
    sys.exit(main())
