"""Every OpenAPI document under requests that schemathesis makes of it, right and wrong ones.

There is no 5xx, and no answer that the document does not tell of.

The seed of a failure is printed by Hypothesis; `HYPOTHESIS_SEED=N` repeats it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

if TYPE_CHECKING:
    from conftest import Target

load_all_checks()
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 6
"""Of each operation, right and wrong ones each."""
SEED = int(os.environ.get("HYPOTHESIS_SEED", "20261121"))
NOT_ASKED = {"/shutdown"}
"""Nothing answers after it."""


def url_of(target: Target) -> str:
    host, port = target.address
    return f"http://{host}:{port}"


def try_all(base_url: str, document: dict[str, Any], headers: dict[str, str]) -> int:
    """Send made requests to every operation; give how many."""
    schema = schemathesis.openapi.from_dict(document)
    sent = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path in NOT_ASKED:
            continue
        modes = [operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE,)]
        modes += [operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)] if _takes_something(operation) else []

        @seed(SEED)
        @settings(
            max_examples=EXAMPLES * len(modes),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )
        @given(case=st.one_of(modes))
        def send(case: schemathesis.Case) -> None:
            nonlocal sent
            sent += 1
            case.call_and_validate(base_url=base_url, headers=headers, checks=CHECKS, timeout=20)

        send()
    return sent


def _takes_something(operation: Any) -> bool:
    return bool(operation.body) or any(True for _ in operation.iter_parameters())


@pytest.mark.filterwarnings("ignore")  # of schemathesis and requests
def test_service_does_what_its_document_says(gateway: Target):
    base_url = f"{url_of(gateway)}/doubling/v1"
    document = httpx2.get(f"{base_url}/openapi.json", verify=False).json()
    gateway.remember()
    assert try_all(base_url, document, {}) > EXAMPLES
    gateway.check()


@pytest.mark.filterwarnings("ignore")  # as above
def test_api_does_what_its_document_says(api: Target):
    base_url = url_of(api)
    document = httpx2.get(f"{base_url}/openapi.json", verify=False).json()
    api.remember()
    name, _, value = api.headers.decode().partition(": ")
    assert try_all(base_url, document, {name: value}) > 20 * EXAMPLES
    api.check()
