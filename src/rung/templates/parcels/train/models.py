"""Models, and the one way from features to their columns. Serving uses the same `to_frame`, so the two cannot differ.

All further preprocessing is inside the estimators: it is stored, deployed and rolled back with them.
"""

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
    "easting_m",
    "northing_m",
    "block_price_per_sqft",
    "block_sales",
]


def to_frame(features: pl.DataFrame) -> pl.DataFrame:
    """Give a model's columns, from features and the day `valued_on`, which is in years. Unknown numbers are null."""
    return features.select(
        pl.col(CATEGORIES).cast(pl.String),
        pl.col(NUMBERS).cast(pl.Float64),
        valued_on=pl.col("valued_on").cast(pl.Date).cast(pl.Int32) / 365.25,
    )


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
    """Many small trees: they take unknown numbers as they are."""
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
