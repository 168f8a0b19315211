"""What the service knows by itself: of each parcel, and of prices around it. Defined once, for training and serving.

A row may be used from its day on and not before: so a training learns from what was known on the day of a sale, and
`rung features verify` can show that production was told the same.
"""

from datetime import timedelta

import polars as pl
from rung.data import Dataset
from rung.features import Feature, FeatureView

from experiments.{{service}}.schema.data import Parcel, Sale

PARCELS = Dataset("parcels", contract=Parcel)
SALES = Dataset("sales", contract=Sale)

parcel = FeatureView(
    name="parcel",
    doc="the line of the register",
    entity="parcel",
    source=PARCELS,
    time="recorded_on",
    history=None,
    features={
        "block": Feature(str, doc="square kilometre that it lies in"),
        "year_built": Feature(int),
        "stories": Feature(str),
        "wall": Feature(str, doc="material of the outer walls"),
        "living_area_sqft": Feature(int),
        "rooms": Feature(int),
        "bedrooms": Feature(int),
        "full_baths": Feature(int),
        "half_baths": Feature(int),
        "garage": Feature(str),
        "garage_area_sqft": Feature(int),
        "lot_area_sqft": Feature(int),
        "easting_m": Feature(float),
        "northing_m": Feature(float),
    },
)


def prices_by_block(sales: pl.LazyFrame, parcels: pl.LazyFrame) -> pl.LazyFrame:
    """Give the median price of a square foot in each block over the year before: known from the day after a sale on."""
    placed = sales.join(parcels.select("parcel", "block", "living_area_sqft"), on="parcel")
    return (
        placed.with_columns(per_sqft=pl.col("price") / pl.col("living_area_sqft"))
        .sort("sold_on")
        .rolling("sold_on", period="365d", group_by="block")
        .agg(block_price_per_sqft=pl.col("per_sqft").median(), block_sales=pl.len())
        .with_columns(known_on=pl.col("sold_on").dt.offset_by("1d"))
    )


block_prices = FeatureView(
    name="block_prices",
    doc="what houses nearby went for",
    entity="block",
    source=[SALES, PARCELS],
    transform=prices_by_block,
    time="known_on",
    ttl=timedelta(days=365),
    history=None,  # a consumer may ask for a day in the past
    features={
        "block_price_per_sqft": Feature(float, default=None, doc="median over a year, dollars"),
        "block_sales": Feature(int, default=0, doc="sales in that year"),
    },
)
