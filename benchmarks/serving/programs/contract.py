"""What every server of the comparison takes and gives: 13 fields of a house, and its price.

Plain Pydantic, so that each server reads it in its own way. Laid beside the server's program by `contender.py`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Stories = Literal["one", "one_and_half", "two", "three"]
Wall = Literal["wood", "brick", "stucco", "stone"]
Garage = Literal["none", "attached", "detached", "carport"]


class Instance(BaseModel):
    """One house."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    year_built: Annotated[int, Field(ge=1800, le=2100)]
    living_area_sqft: Annotated[int, Field(ge=100, le=20_000)]
    rooms: Annotated[int, Field(ge=1, le=40)]
    bedrooms: Annotated[int, Field(ge=0, le=20)]
    full_baths: Annotated[int, Field(ge=0, le=20)]
    half_baths: Annotated[int, Field(ge=0, le=10)]
    garage_area_sqft: Annotated[int, Field(ge=0, le=10_000)]
    lot_area_sqft: Annotated[int, Field(ge=100, le=5_000_000)]
    easting_m: Annotated[float, Field(ge=480_000, le=545_000)]
    northing_m: Annotated[float, Field(ge=190_000, le=235_000)]
    stories: Stories
    wall: Wall
    garage: Garage


class Prediction(BaseModel):
    """The valuation of one house."""

    model_config = ConfigDict(frozen=True)

    price: Annotated[float, Field(gt=0, allow_inf_nan=False)]
