"""The training: each function is a task, its parameters name the tasks whose outputs it takes.

Run it with `rung train {{service}}`, try it on little data with `--override load_data=sample_data`.
"""

import zlib
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field
from rung.training import Experiment, NotTuned, Range, TestResults, data_file, evaluate_models
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from experiments.{{service}}.schema.request import Instance
from experiments.{{service}}.train import models

# Fields for the county's columns. Its own valuation, `avalue`, is left out: it would give the price away.
COLUMNS = {
    "sdate": "valued_on",
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
    "frontage": "frontage_ft",
    "depth": "depth_ft",
    "x": "easting_m",
    "y": "northing_m",
    "price": "price",
}
# Words of the schema for the county's codes.
STORIES = {"one+half": "one_and_half", "multilvl": "multilevel", "two+half": "two_and_half"}
WALL = {
    "partbrk": "part_brick",
    "metlvnyl": "metal_or_vinyl",
    "stucdrvt": "stucco",
    "ccbtile": "concrete_block_or_tile",
}
GARAGE = {"no garage": "none"}


class Hyperparameters(BaseModel):
    """What may be set for one run: `rung train {{service}} --set model=boosting --set max_iter=500`.

    Bounds say what is valid, a `Range` where `rung tune {{service}}` looks for something better.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Literal["benchmark", "linear", "boosting"] = "benchmark"
    learning_rate: Annotated[
        float, Field(gt=0, le=1, description="boosting: weight of each tree"), Range(0.02, 0.3, log=True)
    ] = 0.1
    max_iter: Annotated[
        int, Field(ge=1, le=5_000, description="boosting: number of trees"), Range(50, 1_000, log=True)
    ] = 300
    # What is learned from and what is held out is no matter of taste: these are set, and never tuned.
    first_year: Annotated[int, Field(ge=1993, le=1998, description="sales from this year on"), NotTuned] = 1993
    last_year: Annotated[int, Field(ge=1993, le=1998, description="sales up to and with this year"), NotTuned] = 1996
    test_share: Annotated[float, Field(gt=0, lt=1, description="of the houses, held out of training"), NotTuned] = 0.2
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Sales to learn from, and sales that no training sees."""

    X_train: list[Instance]
    y_train: list[float]  # dollars
    X_test: list[Instance]
    y_test: list[float]  # dollars


def load_data(hyperparameters: Hyperparameters) -> pl.DataFrame:
    """Read the sales of the wanted years: the fields of `Instance`, and `price` in dollars."""
    sales = pl.read_parquet(data_file("data/houses.parquet"), columns=list(COLUMNS)).rename(COLUMNS)
    first, last = hyperparameters.first_year, hyperparameters.last_year
    return sales.filter(pl.col("valued_on").dt.year().is_between(first, last)).with_columns(
        pl.col("valued_on").dt.date(),
        pl.col("price").cast(pl.Float64),
        pl.col("stories").replace(STORIES),
        pl.col("wall").replace(WALL),
        pl.col("garage").replace(GARAGE),
        pl.col("frontage_ft", "depth_ft").replace(0, None),  # 0 stands for "not measured"
    )


def sample_data(hyperparameters: Hyperparameters) -> pl.DataFrame:
    """Stand in for `load_data` when the training itself is tried out: 1,000 sales, done in a second."""
    return load_data(hyperparameters).sample(1_000, seed=hyperparameters.seed)


def split(load_data: pl.DataFrame, hyperparameters: Hyperparameters) -> Split:
    """Hold houses out, and parse every sale by the schema: what training reads is what serving accepts."""
    prices = load_data["price"]
    houses = [Instance.model_validate(row) for row in load_data.drop("price").iter_rows(named=True)]
    share, seed = hyperparameters.test_share, hyperparameters.seed
    held_out = pl.Series([is_held_out(house, share=share, seed=seed) for house in houses])
    return Split(
        X_train=[house for house, out in zip(houses, held_out, strict=True) if not out],
        y_train=prices.filter(~held_out).to_list(),
        X_test=[house for house, out in zip(houses, held_out, strict=True) if out],
        y_test=prices.filter(held_out).to_list(),
    )


def is_held_out(house: Instance, *, share: float, seed: int) -> bool:
    """Decide by the place of the house alone, so that it stays held out in every revision, whatever data are added.

    A challenger and the incumbent can then be compared on houses that neither has seen.
    """
    place = f"{seed} {house.easting_m:.0f} {house.northing_m:.0f}"
    return zlib.crc32(place.encode()) / 2**32 < share


def build_model(split: Split, hyperparameters: Hyperparameters) -> BaseEstimator:
    """Fit the chosen model."""
    match hyperparameters.model:
        case "benchmark":
            model = models.benchmark()
        case "linear":
            model = models.linear()
        case "boosting":
            model = models.boosting(
                learning_rate=hyperparameters.learning_rate,
                max_iter=hyperparameters.max_iter,
                seed=hyperparameters.seed,
            )
    with threadpool_limits(limits=1):  # done in a second, and busy neighbours cannot make it wait for their cores
        return model.fit(models.to_frame(split.X_train), np.array(split.y_train))


def evaluate(split: Split, build_model: BaseEstimator) -> TestResults:
    """Run the data and regression tests against the serving app with this run's model."""
    return evaluate_models(X_test=split.X_test, y_test=split.y_test, X_train=split.X_train, y_train=split.y_train)


experiment = Experiment(load_data, split, build_model, evaluate, hyperparameters=Hyperparameters)

if __name__ == "__main__":
    experiment.run()
    experiment.save()
