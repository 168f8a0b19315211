"""What is kept of every request: a line in the prediction log before the answer leaves, and metrics."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from rung.errors import UnavailableError
from rung.lake.log import AppendLog, prediction_line
from rung.serving._identity import identity
from rung.serving._metrics import RouteMetrics, WorkerMetrics, exposition
from rung.serving._problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from starlette.exceptions import HTTPException

    from rung.features import Served
    from rung.lake.log import Arm, Kind
    from rung.serving._tracing import RequestSpan, Tracer

_FLUSH_S = 0.25
"""Counts reach the metrics that are shared by all workers after this time, seconds."""
_KINDS: dict[bytes, Kind] = {
    b"production": "production",
    b"exact": "exact",
    b"shadow": "shadow",
    b"replay": "replay",
    b"test": "test",
}
_ARM = re.compile(rb"incumbent|challenger|none|m[0-9]{1,9}")


@dataclass(slots=True, kw_only=True)
class Observation:
    """One request while it is served."""

    id: str
    """The request id, which is the prediction id."""
    route: str
    content_length: bytes | None
    unit: str | None
    experiment: str | None
    arm: Arm | None
    propensity: float | None
    """Probability with which a unit is assigned to this arm, above 0 and at most 1."""
    kind: Kind
    time_us: int
    """Microseconds since 1970 in UTC."""
    started: float
    """Seconds of the monotonic clock."""
    instances: bytes = b"[]"
    parameters: bytes | None = None
    count: int = 0
    features: Served | None = None
    """What the handler fetched for it."""
    span: RequestSpan | None = None
    """None where requests are not traced."""

    def received(self, request: Any) -> None:
        """Keep what was asked, once it is valid."""
        self.instances = to_json(request.instances)
        self.parameters = to_json(request.parameters)
        self.count = len(request.instances)


class Observer:
    """Writes log and metrics of one application."""

    def __init__(self, *, revision: str, unit_header: str = "x-unit-id", log: AppendLog | None = None) -> None:
        self.revision = revision
        self.log = log
        """None outside a deployment: tests and evaluations keep no log."""
        self.tracer: Tracer | None = None
        """None where requests are not traced."""
        self._unit_header = unit_header.lower().encode("latin-1")
        self._read = frozenset(
            (
                self._unit_header,
                b"x-request-id",
                b"x-rung-experiment",
                b"x-rung-arm",
                b"x-rung-propensity",
                b"x-rung-route",
                b"content-length",
                b"traceparent",
                b"tracestate",
            )
        )
        self._metrics: dict[str, RouteMetrics] = {}
        self._worker = WorkerMetrics()
        self._flushing: asyncio.TimerHandle | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Observer:
        """Read what the control plane says of the deployment."""
        folder = environment.get("RUNG_LOG")
        return cls(
            revision=environment.get("RUNG_REVISION", "undeployed"),
            unit_header=environment.get("RUNG_UNIT_HEADER", "x-unit-id"),
            log=AppendLog(folder) if folder else None,
        )

    def begin(self, headers: Iterable[tuple[bytes, bytes]], *, route: str, id: str | None = None) -> Observation:  # noqa: A002  its name
        """Begin to observe a request.

        Args:
            headers: As ASGI gives them; `x-rung-*` come from the gateway, which strips a consumer's own.
            route: The handler's route.
            id: The request's id, when it has been given one already.
        """
        wanted = self._read
        found = {name: value for name, value in headers if name in wanted}
        seen = Observation(
            id=id or identity(found.get(b"x-request-id", b"")),
            route=route,
            content_length=found.get(b"content-length"),
            unit=_text(found.get(self._unit_header)),
            experiment=_text(found.get(b"x-rung-experiment")),
            arm=_arm(found.get(b"x-rung-arm", b"")),
            propensity=_propensity(found.get(b"x-rung-propensity", b"")),
            kind=_KINDS.get(found.get(b"x-rung-route", b""), "exact"),
            time_us=time.time_ns() // 1_000,
            started=time.monotonic(),
        )
        if self.tracer is not None:
            seen.span = self.tracer.begin(seen, found)
        return seen

    def answered(self, served: Sequence[tuple[Observation, bytes]]) -> None:
        """Log and count requests before their answers leave: each with its predictions, a JSON array.

        Raises:
            UnavailableError: The log cannot be written: answers that would be lost are not to be given.
        """
        now = time.monotonic()
        if self.log is not None:
            self.log.append_lines([self._line(seen, now, 200, predictions=predictions) for seen, predictions in served])
        for seen, _ in served:
            self._count(seen, 200, now, seen.count)

    def failed(self, observation: Observation, problem: ProblemError | HTTPException) -> None:
        """Log and count a request that gets a problem for an answer."""
        now = time.monotonic()
        status = problem.status if isinstance(problem, ProblemError) else problem.status_code
        if self.log is not None:
            error = json.dumps(str(problem.detail)).encode()
            with suppress(UnavailableError):  # no prediction is lost with this line
                self.log.append(self._line(observation, now, status, error=error))
        self._count(observation, status, now, 0)

    def sample(self, *, waiting: Mapping[str, int], held: int) -> None:
        """Take stock of this worker: requests that wait, by route, and bytes of their bodies."""
        self._worker.sample(waiting=waiting, held=held)

    def exposition(self) -> bytes:
        """Give the metrics of all workers in the Prometheus text format."""
        self._flush()
        return exposition()

    def close(self) -> None:
        """Hand over what has been counted and traced, before the process ends."""
        self._flush()
        if self.tracer is not None:
            self.tracer.close()

    def _count(self, seen: Observation, status: int, now: float, instances: int) -> None:
        if seen.span is not None and self.tracer is not None:
            self.tracer.end(seen.span, status=status, instances=seen.count)
        self.metrics_of(seen.route).observe(status=status, seconds=now - seen.started, instances=instances)
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(_FLUSH_S, self._flush)

    def metrics_of(self, route: str) -> RouteMetrics:
        """Give the counters of a route."""
        metrics = self._metrics.get(route)
        if metrics is None:
            metrics = self._metrics[route] = RouteMetrics(route)
        return metrics

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        for metrics in self._metrics.values():
            metrics.flush()

    def _line(
        self,
        seen: Observation,
        now: float,
        status: int,
        *,
        predictions: bytes | None = None,
        error: bytes | None = None,
    ) -> bytes:
        return prediction_line(
            id=seen.id,
            revision=self.revision,
            time=seen.time_us,
            status=status,
            duration_ms=(now - seen.started) * 1e3,
            kind=seen.kind,
            instances=seen.instances,
            route=seen.route,
            unit=seen.unit,
            experiment=seen.experiment,
            arm=seen.arm,
            propensity=seen.propensity,
            parameters=seen.parameters,
            features=None if seen.features is None else seen.features.to_json(),
            predictions=predictions,
            error=error,
        )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


@lru_cache(maxsize=256)  # an experiment has a handful of arms, and every request carries one of them
def _arm(value: bytes) -> Arm | None:
    return value.decode() if _ARM.fullmatch(value) else None


@lru_cache(maxsize=256)  # as above
def _propensity(value: bytes) -> float | None:
    try:
        probability = float(value)
    except ValueError:
        return None
    return probability if 0 < probability <= 1 else None
