"""The hardware specification of a revision: what its training and its serving run on.

Authors write it in `infrastructure/hardware.py`; compute and the control plane read it. Pure: every field has its unit.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Autoscaling", "Batching", "Infrastructure", "RateLimit", "ServingHardware", "TrainingHardware"]

_Amount: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_MIB = 1024 * 1024
_Body: TypeAlias = Annotated[float, Field(ge=1 / 1024, le=64)]  # MiB; all bodies of a process share 64 MiB
_BODY_MIB = 10.0


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class TrainingHardware(_Declared):
    """The one machine that a training runs on; it is let go when the training ends."""

    vcpus: Annotated[int, Field(ge=1)] = 1
    """Virtual CPUs."""
    memory_gib: _Amount = 2
    """Memory, GiB."""
    gpus: Annotated[int, Field(ge=0)] = 0
    """Graphics processors."""
    disk_gib: _Amount = 10
    """Scratch space, GiB."""
    timeout_s: _Amount = 86_400
    """A training that takes longer is stopped and failed, seconds."""
    compute: Literal["local", "ray"] | None = None
    """Where it trains: the platform's own machine, or its Ray cluster; None: as the platform is set."""


class Autoscaling(_Declared):
    """How many identical machines serve a revision. As declared here one always does; `rung.scaling` decides."""

    minimum: Annotated[int, Field(ge=0)] = 1
    """Machines that always run; 0 lets the last one sleep while nobody asks."""
    maximum: Annotated[int, Field(ge=1)] = 1
    """Machines at the most."""
    target_concurrency: _Amount | None = 8
    """Requests in flight per machine that scaling aims at; None: it goes by `target_cpu` alone."""
    target_cpu: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of a machine's declared vCPUs in use that scaling aims at, beside `target_concurrency`: whichever asks for
    more machines counts; None: CPU is not looked at."""
    scale_down_after_s: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 60
    """Fewer machines must have been enough for so long before there are fewer, seconds."""
    idle_after_s: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    """With a minimum of 0: the last machine sleeps when no request came for so long, seconds; None: five times
    `scale_down_after_s`."""
    cold_start_s: _Amount | None = None
    """With a minimum of 0, and then it must be given: a request that finds all machines asleep is held for so long at
    the most until one is ready, beside its own `request_timeout_s`, seconds; later it gets a 503 with Retry-After."""
    while_scaling: Literal["queue", "reject"] = "queue"
    """What happens to requests above capacity until a new machine is ready: wait, or 503 with Retry-After."""

    @property
    def sleeps_after_s(self) -> float | None:
        """How long nobody must ask before the last machine sleeps, seconds; None: it never does."""
        if self.minimum > 0:
            return None
        return 5 * self.scale_down_after_s if self.idle_after_s is None else self.idle_after_s

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.maximum < self.minimum:
            raise ValueError(f"autoscaling maximum {self.maximum} is below its minimum {self.minimum}")
        if self.target_concurrency is None and self.target_cpu is None:
            raise ValueError("autoscaling aims at nothing: give target_concurrency, target_cpu, or both")
        return self

    @model_validator(mode="after")
    def _sleeping(self) -> Self:
        sleeping = {"cold_start_s": self.cold_start_s, "idle_after_s": self.idle_after_s}
        for name, seconds in sleeping.items():
            if self.minimum > 0 and seconds is not None:
                raise ValueError(
                    f"{name} {seconds:g} is of machines that sleep, and a minimum of {self.minimum} never do"
                )
        if self.minimum > 0:
            return self
        if self.cold_start_s is None:
            raise ValueError("a minimum of 0 lets requests wait for a machine: give cold_start_s, how long at the most")
        if self.while_scaling == "reject":
            raise ValueError("a minimum of 0 needs while_scaling 'queue': a refused request would wake nobody")
        if self.idle_after_s is not None and self.idle_after_s < self.scale_down_after_s:
            raise ValueError(
                f"idle_after_s {self.idle_after_s:g} is below scale_down_after_s {self.scale_down_after_s:g}: the last"
                " machine would sleep before the others go"
            )
        return self


class Batching(_Declared):
    """Coalescing of requests that queued while the last call of the handler ran."""

    max_instances: Annotated[int, Field(ge=1)] = 64
    """Instances in one call of the handler at the most."""


class RateLimit(_Declared):
    """How fast consumers may send to one gateway; what goes beyond gets a 429 with Retry-After."""

    requests_per_s: Annotated[float, Field(ge=0.01, le=1_000_000, allow_inf_nan=False)]
    """Requests per second that a gateway lets through for as long as one likes."""
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests that may come at once after a pause; None: those of one second, at least one."""

    @property
    def most_at_once(self) -> int:
        """Requests that may come at once after a pause."""
        return max(1, math.ceil(self.requests_per_s)) if self.burst is None else self.burst


class ServingHardware(_Declared):
    """One of the identical, stateless machines that serve a revision."""

    vcpus: Annotated[int, Field(ge=1)] = 1
    """Virtual CPUs."""
    memory_gib: _Amount = 2
    """Memory, GiB; every gunicorn worker holds its own copy of the artifacts."""
    gpus: Annotated[int, Field(ge=0)] = 0
    """Graphics processors."""
    disk_gib: _Amount = 5
    """Scratch space, GiB."""
    compute: Literal["local", "ray"] | None = None
    """Where replicas run: the platform's own machine, or its Ray cluster; None: as the platform is set."""
    request_timeout_s: _Amount = 5
    """A request that takes longer gets a 504, seconds."""
    gunicorn_workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes per machine; each loads all artifacts."""
    max_waiting: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Requests per process and route that may wait for the handler; the next one gets a 503 with Retry-After."""
    max_body_mib: _Body | dict[str, _Body] = _BODY_MIB
    """Largest request body, MiB, for all routes or by route, 10 where it names none; a larger one gets a 413."""
    rate_limit: RateLimit | dict[str, RateLimit | None] | None = None
    """What consumers may send, to all routes together or by route; None: as much as they like. It holds for the
    production path by the incumbent's specification, and for the exact path of each revision by its own. Gates go
    past it."""
    autoscaling: Autoscaling = Autoscaling()
    """How many machines."""
    batching: Batching | dict[str, Batching | None] | None = None
    """Coalescing of requests, for all routes or by route; None when the handler looks across rows, or when calling it
    twice for a row would do harm."""

    def batching_of(self, route: str) -> Batching | None:
        """Tell how the requests of a route are coalesced."""
        return self.batching.get(route) if isinstance(self.batching, dict) else self.batching

    @property
    def most_waiting(self) -> int:
        """Requests per process and route that may wait: with `while_scaling="reject"` no more than scaling aims at.

        >>> scaling = Autoscaling(maximum=4, target_concurrency=6, while_scaling="reject")
        >>> ServingHardware(gunicorn_workers=2, autoscaling=scaling).most_waiting
        3
        """
        scaling = self.autoscaling
        if scaling.while_scaling == "queue" or scaling.target_concurrency is None:
            return self.max_waiting
        return min(self.max_waiting, math.ceil(scaling.target_concurrency / self.gunicorn_workers))

    def max_body_bytes(self, route: str | None = None) -> int:
        """Tell the largest body of a route, bytes; None: of routes that `max_body_mib` does not name."""
        declared = self.max_body_mib
        mib = declared if not isinstance(declared, dict) else declared.get(route or "", _BODY_MIB)
        return int(mib * _MIB)


class Infrastructure(_Declared):
    """What one revision needs: `infrastructure = Infrastructure(training=..., serving=...)`."""

    training: TrainingHardware = TrainingHardware()
    """The machine that trains."""
    serving: ServingHardware = ServingHardware()
    """The group of machines that serves."""
