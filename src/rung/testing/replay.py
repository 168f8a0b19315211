"""Recorded production requests sent to a candidate's own server: `python -m rung.testing.replay --plan PLAN ...`.

A job of a promotion, in the platform's environment: requests and answers are plain data. It writes figures, and judges
nothing. The requests go to the server's socket, past the gateway, and are logged there as replayed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import httpx2
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from rung._http import connect
from rung.errors import CallError, RungError
from rung.lake import Answered, compare_predictions
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["RecordedRequest", "ReplayPlan", "main", "replay"]

_REPLAYED = {"x-rung-route": "replay"}
_REFUSED = range(400, 500)
_SHOWN = 2_000  # letters of a value that is kept as evidence
_DETAIL = 300  # letters of a problem
_NOTHING_YET: dict[str, float | None] = {"p50_ms": None, "p99_ms": None}


class RecordedRequest(BaseModel):
    """One request as it came, and what was answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    route: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.~-]+$")]
    body: dict[str, Any]
    predictions: list[Any]
    duration_ms: float | None
    """That the server took when it was recorded."""


class ReplayPlan(BaseModel):
    """What is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    major: str
    """Whose requests they are, as `housing.v1`."""
    requests: tuple[RecordedRequest, ...]
    unmapped: tuple[str, ...] = ()
    """Why requests of the major before could not be turned into requests of this one, one reason for each."""
    is_same_major: bool = True
    """False: both answers are compared in the fields that both have."""
    within_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30.0
    """After which no further request is sent, seconds."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """Requests at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int  # 0: none came
    milliseconds: float
    predictions: list[Any] | None
    detail: str


def main(arguments: list[str] | None = None) -> int:
    """Send what PLAN holds to the server at SOCKET and write the figures to RESULT."""
    parser = argparse.ArgumentParser(prog="python -m rung.testing.replay", description=main.__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="what is sent (JSON)")
    parser.add_argument("--endpoint", required=True, help="of the candidate's server: unix:/... or address:port")
    parser.add_argument("--result", type=Path, required=True, help="gets the figures (JSON), by rename, at the end")
    options = parser.parse_args(arguments)
    try:
        plan = ReplayPlan.model_validate_json(options.plan.read_bytes())
        with connect(options.endpoint, headers=_REPLAYED, token=os.environ.get("RUNG_SERVER_TOKEN")) as client:
            figures = replay(plan, client)
    except (OSError, ValidationError) as error:
        sys.stderr.write(f"{CallError(f'{options.plan} is not a plan of a replay ({error})', hint='write it anew')}\n")
        return CallError.exit_code
    except RungError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    write_atomically(options.result, json.dumps(figures, allow_nan=False).encode(), durable=True)
    return 0


def replay(plan: ReplayPlan, client: httpx2.Client) -> dict[str, Any]:
    """Send the requests, a few at a time, and compare the answers with those that were recorded.

    Args:
        plan: What is sent; the newest requests first, where time does not suffice for all.
        client: Of the candidate's server.
    """
    until = time.monotonic() + plan.within_s
    with ThreadPoolExecutor(max_workers=plan.concurrency) as pool:
        answers = list(pool.map(partial(_ask, client, until), plan.requests))
    asked = [(request, answer) for request, answer in zip(plan.requests, answers, strict=True) if answer is not None]
    answered = [(request, answer) for request, answer in asked if answer.predictions is not None]
    problems = [*plan.unmapped, *(answer.detail for _, answer in asked if answer.detail)]
    refused = sum(answer.status in _REFUSED for _, answer in asked)
    agreement = compare_predictions(_pairs(answered, is_same_major=plan.is_same_major))
    return {
        "major": plan.major,
        "recorded": len(plan.requests) + len(plan.unmapped),
        "asked": len(asked) + len(plan.unmapped),
        "refused": refused + len(plan.unmapped),
        "failed": len(asked) - len(answered) - refused,
        "problem": problems[0] if problems else "",
        "latency": _latency([answer.milliseconds for _, answer in answered]),
        "recorded_latency": _latency([request.duration_ms for request, _ in answered if request.duration_ms]),
        "agreement": {
            **asdict(agreement),
            "share": agreement.share,
            "differing": [
                {**asdict(one), "instance": _shown(one.instance), "one": _shown(one.one), "other": _shown(one.other)}
                for one in agreement.differing
            ],
        },
    }


def _ask(client: httpx2.Client, until: float, request: RecordedRequest) -> _Answer | None:
    """Send one request; None when there is no time left for it."""
    begun = time.monotonic()
    if begun >= until:
        return None
    headers = {"content-type": "application/json", "x-request-id": request.id}
    try:
        answer = client.post(
            f"/{request.route}", content=to_json(request.body), headers=headers, timeout=max(until - begun, 0.1)
        )
    except httpx2.TimeoutException:
        return None
    except httpx2.HTTPError as error:
        return _Answer(status=0, milliseconds=0, predictions=None, detail=f"no answer: {type(error).__name__}")
    milliseconds = (time.monotonic() - begun) * 1e3
    if answer.status_code == httpx2.codes.OK:
        predictions = answer.json()["predictions"]
        return _Answer(status=answer.status_code, milliseconds=milliseconds, predictions=predictions, detail="")
    detail = f"{request.route} answered {answer.status_code}: {answer.text[:_DETAIL]}"
    return _Answer(status=answer.status_code, milliseconds=milliseconds, predictions=None, detail=detail)


def _pairs(answered: Sequence[tuple[RecordedRequest, _Answer]], *, is_same_major: bool) -> Iterator[Answered]:
    """Pair the predictions for each instance; a field that is new in this revision differs from nothing."""
    for request, answer in answered:
        instances, got = request.body.get("instances") or [], answer.predictions or []
        if not len(instances) == len(request.predictions) == len(got):
            continue
        for instance, one, other in zip(instances, request.predictions, got, strict=True):
            known = one if is_same_major else _within(one, other)
            yield Answered(id=request.id, instance=instance, one=known, other=_within(other, one))


def _within(value: Any, other: Any) -> Any:
    """Give a value without the fields that another one does not have."""
    if isinstance(value, dict) and isinstance(other, dict):
        return {name: _within(inner, other[name]) for name, inner in value.items() if name in other}
    if isinstance(value, list) and isinstance(other, list) and len(value) == len(other):
        return [_within(inner, outer) for inner, outer in zip(value, other, strict=True)]
    return value


def _latency(milliseconds: Sequence[float]) -> dict[str, float | None]:
    if not milliseconds:
        return _NOTHING_YET
    ranked = sorted(milliseconds)
    return {f"p{share}_ms": ranked[math.ceil(len(ranked) * share / 100) - 1] for share in (50, 99)}


def _shown(value: Any) -> Any:
    """Give a value as it is, or the beginning of its text when it is long: it is kept as evidence."""
    text = json.dumps(value)
    return value if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


if __name__ == "__main__":
    sys.exit(main())
