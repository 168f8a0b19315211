"""Models, and the one way from houses to their features. Serving uses the same `to_frame`, so the two cannot differ.

All further preprocessing is inside the estimators: it is stored, deployed and rolled back with them.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from experiments.{{service}}.schema.request import Instance

CATEGORIES = ["stories", "wall", "garage"]
NUMBERS = [
    "year_built",
    "living_area_sqft",
    "rooms",
    "bedrooms",
    "full_baths",
    "half_baths",
    "garage_area_sqft",
    "lot_area_sqft",
    "frontage_ft",
    "depth_ft",
    "easting_m",
    "northing_m",
]
SCHEMA = dict.fromkeys(CATEGORIES, pl.String) | dict.fromkeys([*NUMBERS, "valued_on"], pl.Float64)


def to_frame(instances: Sequence[Instance]) -> pl.DataFrame:
    """Give the features: one row for each house, in order. Unknown numbers are null; the day is in years."""
    columns = {name: [getattr(house, name) for house in instances] for name in [*CATEGORIES, *NUMBERS]}
    columns["valued_on"] = [house.valued_on.toordinal() / 365.25 for house in instances]
    return pl.DataFrame(columns, schema=SCHEMA, strict=False)


def benchmark() -> DummyRegressor:
    """Give every house the median price: what doing nothing would achieve."""
    return DummyRegressor(strategy="median")


def linear() -> TransformedTargetRegressor:
    """Each feature changes the price by a fixed percentage; the market moves by the same one every year."""
    features = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), CATEGORIES),
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), [*NUMBERS, "valued_on"]),
    )
    return _on_log_price(make_pipeline(features, Ridge(alpha=1.0)))


def boosting(*, learning_rate: float, max_iter: int, seed: int) -> TransformedTargetRegressor:
    """Many small trees: they learn neighbourhoods from the coordinates, and take unknown numbers as they are."""
    features = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan), CATEGORIES),
        ("passthrough", [*NUMBERS, "valued_on"]),
    )
    trees = HistGradientBoostingRegressor(
        learning_rate=learning_rate,
        max_iter=max_iter,
        categorical_features=list(range(len(CATEGORIES))),
        random_state=seed,
    )
    return _on_log_price(make_pipeline(features, trees))


def _on_log_price(model: BaseEstimator) -> TransformedTargetRegressor:
    """Fit the logarithm: being 10 % off weighs the same for a cottage and a mansion, and no price is negative."""
    return TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp)
