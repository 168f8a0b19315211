"""What a load test sends: taken from a file by the command, made from an `AcceptanceTest` by `rung test`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from rung.testing._acceptance import Stage

_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class OpenLoad(BaseModel):
    """Requests at fixed instants, whatever the answers take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate_rps: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Requests per second."""
    duration_s: _Seconds
    """Length, seconds."""


class LoadPlan(BaseModel):
    """The load on one route: stages of users in turn, then a fixed rate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    route: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.~-]+$")]
    """The handler that the requests go to."""
    bodies: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    """Requests as JSON objects; sent in turn."""
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    """One after the other."""
    open: OpenLoad
    """After the stages."""

    @property
    def peak_users(self) -> int:
        """Give the users of the largest stage."""
        return max(stage.users for stage in self.stages)

    @property
    def duration_s(self) -> float:
        """Give the length of the load, seconds."""
        return sum(stage.duration for stage in self.stages) + self.open.duration_s
