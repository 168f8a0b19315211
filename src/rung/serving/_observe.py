"""What is kept of every request: a line in the prediction log before the answer leaves, and metrics."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from rung.errors import UnavailableError
from rung.lake.log import AppendLog, prediction_line
from rung.serving._metrics import Metrics
from rung.serving._problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.lake.log import Arm, Kind

_KINDS: dict[str, Kind] = {
    "production": "production",
    "exact": "exact",
    "shadow": "shadow",
    "replay": "replay",
    "test": "test",
}
_ARMS: dict[str, Arm] = {"incumbent": "incumbent", "challenger": "challenger", "none": "none"}


@dataclass(slots=True, kw_only=True)
class Observation:
    """One request while it is served."""

    id: str
    """The request id, which is the prediction id."""
    route: str
    unit: str | None
    experiment: str | None
    arm: Arm | None
    kind: Kind
    time_us: int
    """Microseconds since 1970 in UTC."""
    started: float
    """Seconds of the monotonic clock."""
    instances: bytes = b"[]"
    parameters: bytes | None = None
    count: int = 0

    def received(self, request: Any) -> None:
        """Keep what was asked, once it is valid."""
        self.instances = to_json(request.instances)
        self.parameters = to_json(request.parameters)
        self.count = len(request.instances)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observer:
    """Writes log and metrics of one application."""

    revision: str
    unit_header: str
    log: AppendLog | None
    """None outside a deployment: tests and evaluations keep no log."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Observer:
        """Read what the control plane says of the deployment."""
        folder = environment.get("RUNG_LOG")
        return cls(
            revision=environment.get("RUNG_REVISION", "undeployed"),
            unit_header=environment.get("RUNG_UNIT_HEADER", "x-unit-id"),
            log=AppendLog(folder) if folder else None,
        )

    def begin(self, headers: Mapping[str, str], *, id: str, route: str) -> Observation:  # noqa: A002  its name
        """Begin to observe a request; `x-rung-*` headers come from the gateway, which strips a consumer's own."""
        return Observation(
            id=id,
            route=route,
            unit=headers.get(self.unit_header),
            experiment=headers.get("x-rung-experiment"),
            arm=_ARMS.get(headers.get("x-rung-arm", "")),
            kind=_KINDS.get(headers.get("x-rung-route", ""), "exact"),
            time_us=time.time_ns() // 1_000,
            started=time.perf_counter(),
        )

    def end(
        self, observation: Observation, *, status: int, predictions: bytes | None = None, error: str | None = None
    ) -> None:
        """Log and count a request, before its answer leaves.

        Raises:
            ProblemError: 503 when the log cannot be written: an answer that would be lost is not given.
        """
        seconds = time.perf_counter() - observation.started
        answered = observation.count if predictions is not None else 0
        try:
            self._keep(observation, status=status, seconds=seconds, predictions=predictions, error=error)
        except UnavailableError as refused:
            Metrics.observe(route=observation.route, status=503, seconds=seconds, instances=0)
            raise ProblemError(
                status=503, detail="the prediction cannot be logged", headers={"retry-after": "5"}
            ) from refused
        Metrics.observe(route=observation.route, status=status, seconds=seconds, instances=answered)

    def _keep(
        self, observation: Observation, *, status: int, seconds: float, predictions: bytes | None, error: str | None
    ) -> None:
        if self.log is None:
            return
        line = prediction_line(
            id=observation.id,
            revision=self.revision,
            time=observation.time_us,
            status=status,
            duration_ms=seconds * 1e3,
            kind=observation.kind,
            instances=observation.instances,
            route=observation.route,
            unit=observation.unit,
            experiment=observation.experiment,
            arm=observation.arm,
            parameters=observation.parameters,
            predictions=predictions,
            error=None if error is None else json.dumps(error).encode(),
        )
        self.log.append(line)
