"""What a consumer sends: the number of a parcel, and the day. All else is known to the service."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from rung.schema import max_instances

EXAMPLE = {"parcel": 4_711, "valued_on": "1996-06-15"}


@max_instances(64)
class Instance(BaseModel):
    """One house in Lucas County, Ohio, on the day for which its price is wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [EXAMPLE]})

    parcel: Annotated[int, Field(ge=1, le=10_000_000, description="number in the county's register")]
    valued_on: Annotated[date, Field(ge=date(1993, 1, 1), description="day for which the price is wanted")]


class Parameters(BaseModel):
    """What a consumer may tune; it holds for all instances of a request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    round_to: Annotated[Literal[1, 10, 100, 1000], Field(description="prices are rounded to this, dollars")] = 100
