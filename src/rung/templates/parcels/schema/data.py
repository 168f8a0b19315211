"""What the county delivers: each row of a dataset is held against these when it comes in, and when training begins."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Stories = Literal["one", "bilevel", "one_and_half", "multilevel", "two", "two_and_half", "three"]
Wall = Literal["wood", "part_brick", "brick", "metal_or_vinyl", "stucco", "concrete_block_or_tile", "stone"]
Garage = Literal["none", "attached", "detached", "basement", "carport"]


class Parcel(BaseModel):
    """One line of the register: a plot with its house. The dataset `parcels`."""

    model_config = ConfigDict(extra="forbid")

    parcel: Annotated[int, Field(ge=1, description="number in the register")]
    recorded_on: Annotated[date, Field(description="day from which the line is known")]
    block: Annotated[str, Field(pattern=r"^[0-9]{3}-[0-9]{3}$", description="square kilometre that it lies in")]
    year_built: Annotated[int, Field(ge=1800, le=2100)]
    stories: Stories
    wall: Wall
    living_area_sqft: Annotated[int, Field(ge=100, le=20_000)]
    rooms: Annotated[int, Field(ge=1, le=40)]
    bedrooms: Annotated[int, Field(ge=0, le=20)]
    full_baths: Annotated[int, Field(ge=0, le=20)]
    half_baths: Annotated[int, Field(ge=0, le=10)]
    garage: Garage
    garage_area_sqft: Annotated[int, Field(ge=0, le=10_000)]
    lot_area_sqft: Annotated[int, Field(ge=100, le=5_000_000)]
    easting_m: Annotated[float, Field(ge=480_000, le=545_000, description="Ohio North plane (EPSG:2834)")]
    northing_m: Annotated[float, Field(ge=190_000, le=235_000, description="Ohio North plane (EPSG:2834)")]


class Sale(BaseModel):
    """One sale. The dataset `sales`."""

    model_config = ConfigDict(extra="forbid")

    parcel: Annotated[int, Field(ge=1, description="number in the register")]
    sold_on: Annotated[date, Field(ge=date(1993, 1, 1))]
    price: Annotated[float, Field(gt=0, description="dollars")]
