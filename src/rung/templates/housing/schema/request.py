"""What a consumer knows about a house. Part of the major's promise: fields are added, never changed or removed."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from rung.schema import max_instances

Stories = Literal["one", "bilevel", "one_and_half", "multilevel", "two", "two_and_half", "three"]
Wall = Literal["wood", "part_brick", "brick", "metal_or_vinyl", "stucco", "concrete_block_or_tile", "stone"]
Garage = Literal["none", "attached", "detached", "basement", "carport"]

EXAMPLE = {
    "valued_on": "1996-06-15",
    "year_built": 1952,
    "stories": "one",
    "wall": "part_brick",
    "living_area_sqft": 1400,
    "rooms": 6,
    "bedrooms": 3,
    "full_baths": 1,
    "half_baths": 1,
    "garage": "attached",
    "garage_area_sqft": 440,
    "lot_area_sqft": 8000,
    "frontage_ft": 65,
    "depth_ft": 123,
    "easting_m": 503000,
    "northing_m": 222000,
}


@max_instances(64)
class Instance(BaseModel):
    """One single-family house in Lucas County, Ohio, on the day for which its price is wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [EXAMPLE]})

    valued_on: Annotated[date, Field(ge=date(1993, 1, 1), description="day for which the price is wanted")]
    year_built: Annotated[int, Field(ge=1800, le=2100, description="year in which the house was finished")]
    stories: Annotated[Stories, Field(description="how the floors are laid out")]
    wall: Annotated[Wall, Field(description="material of the outer walls")]
    living_area_sqft: Annotated[int, Field(ge=100, le=20_000, description="heated living area, square feet")]
    rooms: Annotated[int, Field(ge=1, le=40, description="all rooms but baths")]
    bedrooms: Annotated[int, Field(ge=0, le=20, description="rooms to sleep in, part of rooms")]
    full_baths: Annotated[int, Field(ge=0, le=20, description="with a tub or a shower")]
    half_baths: Annotated[int, Field(ge=0, le=10, description="toilet and basin only")]
    garage: Annotated[Garage, Field(description="kind of garage")]
    garage_area_sqft: Annotated[int, Field(ge=0, le=10_000, description="square feet; 0 without a garage")]
    lot_area_sqft: Annotated[int, Field(ge=100, le=5_000_000, description="area of the plot, square feet")]
    frontage_ft: Annotated[int | None, Field(gt=0, le=5_000, description="plot along the street, feet")] = None
    depth_ft: Annotated[int | None, Field(gt=0, le=5_000, description="plot away from the street, feet")] = None
    easting_m: Annotated[float, Field(ge=480_000, le=545_000, description="metres, Ohio North plane (EPSG:2834)")]
    northing_m: Annotated[float, Field(ge=190_000, le=235_000, description="metres, Ohio North plane (EPSG:2834)")]


class Parameters(BaseModel):
    """What a consumer may tune; it holds for all instances of a request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    round_to: Annotated[Literal[1, 10, 100, 1000], Field(description="prices are rounded to this, dollars")] = 100
