"""Plays the county: the register of parcels, and one file of sales for each year.

    python -m experiments.{{service}}.deliveries

writes them to `data/deliveries/`. A service in use gets such files from others; here they are made of one public table.
"""

from pathlib import Path

import polars as pl

TABLE = Path("data/houses.parquet")
TARGET = Path("data/deliveries")
COLUMNS = {
    "yrbuilt": "year_built",
    "stories": "stories",
    "wall": "wall",
    "TLA": "living_area_sqft",
    "rooms": "rooms",
    "beds": "bedrooms",
    "baths": "full_baths",
    "halfbaths": "half_baths",
    "garage": "garage",
    "garagesqft": "garage_area_sqft",
    "lotsize": "lot_area_sqft",
    "x": "easting_m",
    "y": "northing_m",
}
# Words of the schema for the county's codes.
WORDS = {
    "stories": {"one+half": "one_and_half", "multilvl": "multilevel", "two+half": "two_and_half"},
    "wall": {
        "partbrk": "part_brick",
        "metlvnyl": "metal_or_vinyl",
        "stucdrvt": "stucco",
        "ccbtile": "concrete_block_or_tile",
    },
    "garage": {"no garage": "none"},
}


def register(table: pl.DataFrame) -> pl.DataFrame:
    """Give a line for each house. It is known from 1993 on, or from the year in which the house was built."""
    year = pl.min_horizontal(pl.max_horizontal(pl.col("yrbuilt"), 1993), pl.col("sdate").dt.year())
    kilometres = [pl.col(name).floordiv(1_000).cast(pl.Int64).cast(pl.String) for name in ("x", "y")]
    return table.select(
        "parcel",
        recorded_on=pl.date(year, 1, 1),
        block=pl.concat_str(kilometres, separator="-"),
        **{name: pl.col(code).replace(WORDS.get(name, {})) for code, name in COLUMNS.items()},
    ).cast(dict.fromkeys(("bedrooms", "full_baths", "half_baths"), pl.Int64))


def sales(table: pl.DataFrame) -> pl.DataFrame:
    """Give the sales."""
    return table.select("parcel", sold_on=pl.col("sdate").dt.date(), price=pl.col("price").cast(pl.Float64))


def main() -> None:
    """Write the files."""
    table = pl.read_parquet(TABLE).with_row_index("parcel", offset=1)
    TARGET.mkdir(parents=True, exist_ok=True)
    register(table).write_parquet(TARGET / "parcels.parquet")
    for (year,), sold in sales(table).group_by(pl.col("sold_on").dt.year()):
        sold.sort("sold_on", "parcel").write_csv(TARGET / f"sales-{year}.csv")
    print(f"{TARGET}: {len(list(TARGET.iterdir()))} files")


if __name__ == "__main__":
    main()
