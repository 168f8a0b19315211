"""How a revision comes to production traffic, step by step; part of the A/B test that a major declares."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_Duration = Annotated[timedelta, Field(gt=timedelta(0))]


class RampStep(BaseModel):
    """A share that the challenger has for a while, before it gets the next one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: Annotated[float, Field(gt=0, lt=1, description="of the units that the challenger gets")]
    hold: Annotated[_Duration, Field(description="how long, while nothing speaks against it")]


class Shadowing(BaseModel):
    """Production requests that a candidate is sent as well, before the A/B test; its answers reach nobody."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: Annotated[float, Field(gt=0, le=1, description="of the production requests")] = 0.2
    hold: Annotated[_Duration, Field(description="how long at least")] = timedelta(minutes=10)
    requests: Annotated[int, Field(ge=1, description="answers to compare at least")] = 100
    deadline: Annotated[_Duration, Field(description="after which too few answers tear the candidate down")] = (
        timedelta(days=1)
    )
    agreement: Annotated[
        float, Field(ge=0, le=1, description="share of equal answers below which the candidate is torn down")
    ] = 0.0


class Bandit(BaseModel):
    """Shares that follow the evidence, in place of a fixed split; any number of revisions at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interval: Annotated[_Duration, Field(description="between two changes of the shares")] = timedelta(minutes=1)
    floor: Annotated[float, Field(gt=0, le=0.2, description="share that every revision keeps")] = 0.05
    half_life: Annotated[
        _Duration | None, Field(description="after which an outcome counts half; None when nothing changes with time")
    ] = None


class Limits(BaseModel):
    """What ends an A/B test at once, in favour of the incumbent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    error_rate: Annotated[
        float, Field(ge=0, lt=1, description="share of failed requests that the challenger may have more")
    ] = 0.01
    slow_rate: Annotated[
        float, Field(ge=0, lt=1, description="the same for requests slower than the service level")
    ] = 0.05
    fallback_rate: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description="share of its units' requests that the incumbent may answer for it; above, nothing is decided",
        ),
    ] = 0.05
