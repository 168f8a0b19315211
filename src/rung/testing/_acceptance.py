"""The load specification of a major: what consumers send, and how much of it must be borne."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rung.schema import ServiceLevel


class Stage(BaseModel):
    """A stretch of load: so many users, each sending and waiting in turn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    users: Annotated[int, Field(ge=1, le=100_000)]
    """Users at the same time."""
    duration: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Length of the stage, seconds."""
    interval: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Wait of a user between two requests, seconds."""


class Limits(BaseModel):
    """What the load test is judged by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_p99_ms: Annotated[float, Field(gt=0)]
    """99th percentile of the time to an answer, milliseconds."""
    throughput_rps: Annotated[float, Field(gt=0)]
    """Requests per second that must be sustained."""
    error_rate: Annotated[float, Field(ge=0, lt=1)]
    """Largest share of requests that may fail."""


class AcceptanceTest:
    """`acceptance_test = AcceptanceTest(requests=callback, stages=[Stage(users=10, duration=30, interval=0.5)])`.

    Args:
        requests: Gives a list of `Request[Instance, Parameters]`; called until there are enough different ones.
        stages: One after the other.
        latency_p99_ms: Limit in milliseconds, at most what the specification says; None: just that.
        throughput_rps: Requests per second to be sustained, at least what the specification says; None: just that.
        error_rate: Share of requests that may fail, at most what the specification says; None: just that.
        route: The handler that the requests go to.
        steady_s: How long, after the stages, requests come at the promised rate, whatever the answers take; seconds.

    Raises:
        CallError: There is no stage, or the steady part has no length.
    """

    def __init__(
        self,
        *,
        requests: Callable[[], list[Any]],
        stages: list[Stage],
        latency_p99_ms: float | None = None,
        throughput_rps: float | None = None,
        error_rate: float | None = None,
        route: str = "predict",
        steady_s: float = 5.0,
    ) -> None:
        if not stages:
            raise CallError("an acceptance test has no stage", hint="give stages=[Stage(users=10, duration=30)]")
        self.requests = requests
        self.stages = tuple(stages)
        if not 0 < steady_s < math.inf:
            raise CallError(f"steady_s of an acceptance test is {steady_s}", hint="give seconds, more than 0")
        self.route = route
        self.steady_s = steady_s
        self._own = {
            "latency_p99_ms": latency_p99_ms,
            "throughput_rps": throughput_rps,
            "error_rate": error_rate,
        }

    def limits(self, level: ServiceLevel) -> Limits:
        """Give the limits: the test's own, else those of the specification.

        Raises:
            CallError: The test is content with less than the specification promises.
        """
        own = {name: value for name, value in self._own.items() if value is not None}
        limits = Limits.model_validate({**level.model_dump(), **own})
        if looser := level.looser(own):
            raise CallError(
                f"the acceptance test is content with less than the specification: {'; '.join(looser)}",
                hint="a test may ask for more; what is promised is changed in specification.md",
            )
        return limits

    def sample(self, count: int) -> list[Any]:
        """Collect at least `count` requests from the callback, which may give few at a time.

        Raises:
            CallError: The callback gives none.
        """
        found: list[Any] = []
        while len(found) < count:
            more = self.requests()
            if not more:
                raise CallError("the callback of the acceptance test gave no request", hint="give at least one")
            found.extend(more)
        return found
