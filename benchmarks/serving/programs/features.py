"""The one way from houses to what the models take; every server of the comparison uses it."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pandas as pd
from contract import Garage, Instance, Stories, Wall

NAMES = list(Instance.model_fields)
CODES = {
    name: float(code) for words in (Stories, Wall, Garage) for code, name in enumerate(get_args(words))
}  # the three sets of words have none in common


def to_rows(houses: Sequence[Instance]) -> list[list[float]]:
    """Give the features as numbers: one row for each house, categories as codes."""
    return [
        [
            house.year_built,
            house.living_area_sqft,
            house.rooms,
            house.bedrooms,
            house.full_baths,
            house.half_baths,
            house.garage_area_sqft,
            house.lot_area_sqft,
            house.easting_m,
            house.northing_m,
            CODES[house.stories],
            CODES[house.wall],
            CODES[house.garage],
        ]
        for house in houses
    ]


def to_frame(houses: Sequence[Instance]) -> pd.DataFrame:
    """Give the features as a frame with named columns."""
    return pd.DataFrame(to_rows(houses), columns=NAMES, dtype=float)


def to_array(houses: Sequence[Instance]) -> np.ndarray:
    """Give the features as an array of shape (houses, 13)."""
    return np.array(to_rows(houses), dtype=float)
