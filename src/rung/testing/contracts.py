"""The contracts of consumers held against a live endpoint: `python -m rung.testing.contracts --plan PLAN ...`.

A job of a promotion, in the platform's environment: requests and answers are plain data. It writes figures, and judges
nothing. `rung contract check` calls it as a function.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import to_json

from rung._http import verify
from rung.errors import CallError
from rung.schema import ConsumerContract, type_at, types_at
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.schema import ConsumerRequest, Contract
    from rung.serving import Handler

__all__ = ["ContractPlan", "hold_by_schema", "hold_contracts", "main", "with_declared"]

_WITHIN_S = 60.0  # for all requests of all contracts
_DETAIL = 300  # letters of a problem
_OK, _NOT_FOUND = 200, 404
_REFUSED = range(400, 500)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What became of one recorded request."""

    status: int  # 0: none came
    predictions: tuple[Any, ...] = ()
    problem: str = ""


class ContractPlan(BaseModel):
    """What is held."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    contracts: tuple[ConsumerContract, ...]


def main(arguments: list[str] | None = None) -> int:
    """Send what PLAN holds to the endpoint at URL and write the figures to RESULT."""
    parser = argparse.ArgumentParser(prog="python -m rung.testing.contracts", description=main.__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="the contracts (JSON)")
    parser.add_argument("--url", required=True, help="endpoint of the candidate")
    parser.add_argument("--result", type=Path, required=True, help="gets the figures (JSON), by rename, at the end")
    options = parser.parse_args(arguments)
    try:
        plan = ContractPlan.model_validate_json(options.plan.read_bytes())
    except (OSError, ValidationError) as error:
        sys.stderr.write(f"{CallError(f'{options.plan} is not a plan ({error})', hint='write it anew')}\n")
        return CallError.exit_code
    with httpx2.Client(base_url=options.url, verify=verify(options.url)) as client:
        figures = hold_contracts(plan.contracts, client)
    write_atomically(options.result, json.dumps({"contracts": figures}, allow_nan=False).encode(), durable=True)
    return 0


def hold_contracts(contracts: Sequence[ConsumerContract], client: httpx2.Client) -> list[dict[str, Any]]:
    """Send every recorded request, and look at every field that is read, in every prediction.

    Args:
        contracts: Of the consumers.
        client: Of the endpoint, below which the routes are.

    Returns:
        For each contract `consumer`, `version`, its `routes`, `asked`, `refused`, `failed`, `problem`, and by place
        `reads`: `expected` types, and `seen` ones.
    """
    until = time.monotonic() + _WITHIN_S
    return [
        _figures(contract, [_ask(client, request, until) for request in contract.requests]) for contract in contracts
    ]


def hold_by_schema(contracts: Sequence[ConsumerContract], handlers: Mapping[str, Handler]) -> list[dict[str, Any]]:
    """Look whether handlers would take the recorded requests, without a model: figures as of `hold_contracts`."""
    return [_figures(contract, [_parse(handlers, request) for request in contract.requests]) for contract in contracts]


def with_declared(found: Mapping[str, Any], schema: Contract) -> dict[str, Any]:
    """Add to the figures of a contract what a schema allows at each place that is read, on the routes asked."""
    known = [schema.routes[route].prediction for route in found["routes"] if route in schema.routes]
    reads = {
        place: {**types, "declared": sorted(frozenset().union(*(types_at(one, place) for one in known)))}
        for place, types in found["reads"].items()
    }
    return {**found, "reads": reads}


def _parse(handlers: Mapping[str, Handler], request: ConsumerRequest) -> _Answer:
    if request.route not in handlers:
        return _Answer(status=_NOT_FOUND, problem=f"there is no route {request.route}")
    try:
        handlers[request.route].body.validate_json(to_json(request.body))
    except ValidationError as error:
        first = error.errors()[0]
        pointer = "".join(f"/{part}" for part in first["loc"])
        return _Answer(status=_REFUSED[0], problem=f"{request.route} refuses {pointer or 'it'}: {first['msg']}")
    return _Answer(status=_OK)


def _ask(client: httpx2.Client, request: ConsumerRequest, until: float) -> _Answer:
    left = until - time.monotonic()
    if left <= 0:
        return _Answer(status=0, problem=f"there was no time left within {_WITHIN_S:.0f} s")
    headers = {"content-type": "application/json"}
    try:
        answer = client.post(f"/{request.route}", content=to_json(request.body), headers=headers, timeout=left)
        if answer.status_code == _OK:
            return _Answer(status=_OK, predictions=tuple(answer.json()["predictions"]))
    except httpx2.HTTPError as error:
        return _Answer(status=0, problem=f"no answer: {type(error).__name__}")
    except (ValueError, KeyError, TypeError):
        return _Answer(status=0, problem=f"{request.route} gave no predictions: {answer.text[:_DETAIL]}")
    problem = f"{request.route} answered {answer.status_code}: {answer.text[:_DETAIL]}"
    return _Answer(status=answer.status_code, problem=problem)


def _figures(contract: ConsumerContract, answers: Sequence[_Answer]) -> dict[str, Any]:
    refused = sum(answer.status in _REFUSED for answer in answers)
    predictions = [prediction for answer in answers for prediction in answer.predictions]
    return {
        "consumer": contract.consumer,
        "version": contract.version,
        "routes": sorted({request.route for request in contract.requests}),
        "asked": len(answers),
        "refused": refused,
        "failed": sum(answer.status != _OK for answer in answers) - refused,
        "problem": next((answer.problem for answer in answers if answer.problem), ""),
        "reads": {
            place: {"expected": list(types), "seen": sorted({type_at(one, place) for one in predictions})}
            for place, types in contract.reads.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
