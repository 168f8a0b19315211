"""The author's tests against live endpoints, as a job of a promotion: `python -m rung.testing.gate KIND ...`.

It runs in the candidate's own environment and source snapshot, writes figures, and judges nothing: the control plane
does. Kinds: `regression`, `data` (paired with a reference on the same held-out rows), `requests` (for the load test),
`replay-mapping` (recorded requests of the major before, as this one takes them).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from pydantic_core import to_jsonable_python

from rung._http import verify
from rung.errors import RungError
from rung.testing._client import RecordingClient
from rung.testing._paired import check_rows, paired
from rung.testing._sensitive import measure_groups
from rung.testing._service import ServiceTests, load_service_tests
from rung.testing._tests import run_regression_tests
from rung.workspace import Workspace, find, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["main"]

_TIMEOUT_S = 60.0
_REQUESTS = 200  # different requests that a load test sends in turn


def main(arguments: list[str] | None = None) -> int:
    """Run the tests of one kind and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m rung.testing.gate", description=__doc__)
    parser.add_argument("kind", choices=("regression", "data", "requests", "replay-mapping"))
    parser.add_argument("--service", required=True)
    parser.add_argument("--result", required=True, type=Path)
    parser.add_argument("--url", default="", help="endpoint of the candidate")
    parser.add_argument("--reference", default="", help="revision that it is compared with")
    parser.add_argument("--reference-url", default="", help="that revision's endpoint")
    parser.add_argument("--reference-tests", default="", help="data tests that both have; the others are scored alone")
    parser.add_argument("--requests", type=Path, help="a replay's plan, whose requests are to be mapped (JSON)")
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
    match options.kind:
        case "requests":
            return requests(tests)
        case "replay-mapping":
            return map_requests(tests, json.loads(options.requests.read_bytes())["requests"])
        case "regression":
            with _client(options.url) as http:
                found = run_regression_tests(tests.regression, lambda: RecordingClient(http, tests.handlers))
            return {"tests": [result.model_dump() for result in found]}
        case _:
            return _data(workspace, tests, options)


def _data(workspace: Workspace, tests: ServiceTests, options: argparse.Namespace) -> dict[str, Any]:
    checked = check_rows(workspace, os.environ["RUNG_REVISION"], options.reference)
    with _client(options.url) as http, _client(options.reference_url) as other:
        clients = RecordingClient(http, tests.handlers), RecordingClient(other, tests.handlers)
        found = paired(tests, clients, checked.rows, known=frozenset(options.reference_tests.split(",")))
        groups = measure_groups(tests.sensitive, tests.data, clients[0], checked.rows)
    return {**checked.to_json(), "tests": found, "groups": groups}


def requests(tests: ServiceTests) -> dict[str, Any]:
    """Draw the requests of the load test, with its stages and limits."""
    acceptance = tests.acceptance
    limits = acceptance.limits(tests.specification.service_level)
    return {
        "plan": {
            "route": acceptance.route,
            "bodies": to_jsonable_python(acceptance.sample(_REQUESTS)),
            "stages": [stage.model_dump() for stage in acceptance.stages],
            "open": {"rate_rps": limits.throughput_rps, "duration_s": acceptance.steady_s},
        },
        "limits": limits.model_dump(),
    }


def map_requests(tests: ServiceTests, recorded: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Turn recorded requests of the major before into requests of this one, as `schema/service.py` says.

    Args:
        tests: Of the new major.
        recorded: For each request its `id`, `route`, and `body` as JSON data.

    Returns:
        `declared`, whether there is a mapping; `mapped`, the same requests anew; `failed`, ids with the reason.
    """
    mapping = tests.upgrade_request
    if mapping is None:
        return {"declared": False, "mapped": [], "failed": []}
    mapped: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    for request in recorded:
        try:
            route, body = mapping(request["route"], request["body"])
            mapped.append({"id": request["id"], "route": str(route), "body": to_jsonable_python(body)})
        except Exception as error:  # noqa: BLE001  an author's function may raise anything: it is the result
            failed.append({"id": request["id"], "because": f"upgrade_request raised {type(error).__name__}: {error}"})
    return {"declared": True, "mapped": mapped, "failed": failed}


def _client(url: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, timeout=_TIMEOUT_S, verify=verify(url))


if __name__ == "__main__":
    sys.exit(main())
