"""The collector of business outcomes: `POST /outcomes` at the gateway ends here.

A process of its own, so that outcomes are kept while the control plane is away. 202 means that the outcome is on the
disk; whoever gets another answer sends the same again, with the same `id`, and it counts once.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

import uvicorn
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rung.errors import UnavailableError
from rung.lake.log import OUTCOMES, AppendLog, outcome_line
from rung.serving._problems import ProblemError, invalid_body
from rung.serving._protocol import WholeAnswers

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["Outcome", "create_app", "main"]

_MAX_BODY_BYTES = 1 << 20
_MAX_OUTCOMES = 1_000  # in one request


class Outcome(BaseModel):
    """A business measurement that came after a prediction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    metric: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    value: Annotated[float, Field(allow_inf_nan=False)]
    unit: Annotated[str | None, Field(min_length=1, max_length=256)] = None
    """Who or what the A/B test assigned, or"""
    prediction_id: Annotated[str | None, Field(min_length=1, max_length=128)] = None
    """the `x-request-id` of the prediction's answer."""
    time: Annotated[datetime | None, Field()] = None
    """When it happened; without it, when it came in."""
    id: Annotated[str | None, Field(min_length=1, max_length=128)] = None
    """Idempotency key: outcomes of a service with the same key count once."""

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.unit is None) == (self.prediction_id is None):
            raise ValueError("name either unit or prediction_id")
        if self.time is not None and self.time.tzinfo is None:
            raise ValueError("time needs an offset, as 2026-11-21T09:30:00Z")
        return self


_OUTCOMES: TypeAdapter[list[Outcome]] = TypeAdapter(
    Annotated[list[Outcome], Field(min_length=1, max_length=_MAX_OUTCOMES)]
)


def create_app(log: AppendLog) -> Starlette:
    """Make the application that keeps outcomes in this log."""

    async def keep(request: Request) -> Response:
        try:
            outcomes = _read(await _body(request))
            _check_key(request, outcomes)
            received = time.time_ns() // 1_000
            await run_in_threadpool(log.append_durable, b"".join(_line(outcome, received) for outcome in outcomes))
        except ProblemError as problem:
            return problem.response()
        except UnavailableError as error:
            return ProblemError(status=503, detail=str(error), headers={"retry-after": "5"}).response()
        return JSONResponse({"kept": len(outcomes)}, status_code=202)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ready"})

    return Starlette(
        routes=[
            Route("/outcomes", keep, methods=["POST"]),
            Route("/readyz", health, methods=["GET"]),
        ]
    )


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MAX_BODY_BYTES:
            raise ProblemError(status=413, detail=f"the body has more than {_MAX_BODY_BYTES:,} bytes")
    return body


def _check_key(request: Request, outcomes: list[Outcome]) -> None:
    """Refuse what the key is not for; the gateway tells it, and takes a consumer's own such header away."""
    only = request.headers.get("x-rung-consumer-service")
    if only is not None and any(outcome.service != only for outcome in outcomes):
        raise ProblemError(status=403, detail=f"the key in the header x-api-key is for {only} alone")


def _read(body: bytes) -> list[Outcome]:
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProblemError(status=400, detail=f"the body is not JSON: {error}") from None
    try:
        return _OUTCOMES.validate_python(value if isinstance(value, list) else [value])
    except ValidationError as error:
        raise invalid_body(error) from None


def _line(outcome: Outcome, received: int) -> bytes:
    return outcome_line(
        service=outcome.service,
        metric=outcome.metric,
        value=outcome.value,
        received=received,
        id=outcome.id,
        unit=outcome.unit,
        prediction_id=outcome.prediction_id,
        time=None if outcome.time is None else round(outcome.time.timestamp() * 1e6),
    )


def main(arguments: list[str] | None = None) -> None:
    """Serve on a unix socket until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m rung.serving.outcomes", description=__doc__)
    parser.add_argument("--bind", required=True, help="unix:/path/of/socket")
    options = parser.parse_args(arguments)
    os.umask(0o077)
    app = create_app(AppendLog(os.environ["RUNG_LOG"], OUTCOMES))
    socket = options.bind.removeprefix("unix:")
    uvicorn.run(app, uds=socket, http=WholeAnswers, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
