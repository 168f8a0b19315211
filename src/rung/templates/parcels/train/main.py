"""The training: each function is a task, its parameters name the tasks whose outputs it takes.

Run it with `rung train {{service}}`, once `rung data ingest` has brought the datasets `parcels` and `sales`; try it on
little data with `--override load_data=sample_data`.
"""

import zlib
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field
from rung.features import join
from rung.training import Experiment, TestResults, evaluate_models
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from experiments.{{service}}.features import SALES, block_prices, parcel
from experiments.{{service}}.schema.request import Instance
from experiments.{{service}}.train import models


class Hyperparameters(BaseModel):
    """What may be set for one run: `rung train {{service}} --set model=boosting --set max_iter=500`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Literal["benchmark", "linear", "boosting"] = "benchmark"
    learning_rate: Annotated[float, Field(gt=0, le=1, description="boosting: weight of each tree")] = 0.1
    max_iter: Annotated[int, Field(ge=1, le=5_000, description="boosting: number of trees")] = 200
    test_share: Annotated[float, Field(gt=0, lt=1, description="of the parcels, held out of training")] = 0.2
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Sales to learn from, with their features, and sales that no training sees."""

    X_train: pl.DataFrame
    y_train: list[float]  # dollars
    X_test: list[Instance]
    y_test: list[float]  # dollars


def load_data() -> pl.DataFrame:
    """Read all sales that were ingested: the version is put on record."""
    return SALES.polars()


def sample_data() -> pl.DataFrame:
    """Stand in for `load_data` when the training itself is tried out: 1,000 sales, done in a second."""
    return load_data().sample(1_000, seed=0)


def with_features(load_data: pl.DataFrame) -> pl.DataFrame:
    """Give each sale the features as they were known on its day: never what came later, the sale itself included."""
    sales = load_data.rename({"sold_on": "valued_on"})
    known = join(sales, [parcel], at="valued_on").drop_nulls(parcel.entities + ("block",))
    return join(known, [block_prices], at="valued_on")


def split(with_features: pl.DataFrame, hyperparameters: Hyperparameters) -> Split:
    """Hold parcels out by their number alone, so that they stay held out in every revision, whatever data are added."""
    share, seed = hyperparameters.test_share, hyperparameters.seed
    out = pl.Series([zlib.crc32(f"{seed} {number}".encode()) / 2**32 < share for number in with_features["parcel"]])
    held_out = with_features.filter(out)
    return Split(
        X_train=with_features.filter(~out).drop("price"),
        y_train=with_features["price"].filter(~out).to_list(),
        X_test=[Instance(**row) for row in held_out.select("parcel", "valued_on").iter_rows(named=True)],
        y_test=held_out["price"].to_list(),
    )


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
    """Run the data and regression tests against the serving app, which fetches features as of each instance's day."""
    learned = [Instance(**row) for row in split.X_train.select("parcel", "valued_on").iter_rows(named=True)]
    return evaluate_models(X_test=split.X_test, y_test=split.y_test, X_train=learned, y_train=split.y_train)


experiment = Experiment(load_data, with_features, split, build_model, evaluate, hyperparameters=Hyperparameters)

if __name__ == "__main__":
    experiment.run()
    experiment.save()
