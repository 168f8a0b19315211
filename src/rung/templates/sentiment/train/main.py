"""The training: each function is a task, its parameters name the tasks whose outputs it takes.

Run it with `rung train {{service}}`, try it on little data with `--override load_data=sample_data`.
"""

import zlib
from dataclasses import dataclass
from typing import Annotated, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field
from rung.training import Experiment, TestResults, data_file, evaluate_models
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from experiments.{{service}}.schema.request import Instance
from experiments.{{service}}.schema.response import Sentiment
from experiments.{{service}}.train import models

# The data's names of where sentences are from.
SOURCES = {
    "movies": "movieReviewSnippets",
    "products": "amazonReviewSnippets",
    "editorials": "nytEditorialSnippets",
    "tweets": "tweets",
}


class Hyperparameters(BaseModel):
    """What may be set for one run: `rung train {{service}} --set model=words --set vocabulary=1000`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Literal["benchmark", "words", "letters"] = "benchmark"
    vocabulary: Annotated[int, Field(ge=2, le=5_000, description="words that the small model knows")] = 300
    source: Annotated[
        Literal["movies", "products", "editorials", "tweets"], Field(description="where sentences are from")
    ] = "movies"
    neutral_within: Annotated[
        float, Field(gt=0, lt=4, description="a mean rating nearer to 0 than this is neutral; ratings go from -4 to 4")
    ] = 1.0
    test_share: Annotated[float, Field(gt=0, lt=0.5, description="of the sentences, held out of training")] = 0.2
    live_share: Annotated[float, Field(gt=0, lt=0.5, description="of the sentences, kept for production")] = 0.1
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Sentences to learn from, and sentences that no training sees."""

    X_train: list[Instance]
    y_train: list[str]  # values of Sentiment
    X_test: list[Instance]
    y_test: list[str]  # values of Sentiment


def load_data(hyperparameters: Hyperparameters) -> pl.DataFrame:
    """Read the sentences of the source with their `sentiment`, but for those that are kept for production.

    A service in use needs no such share: its readers write new sentences every day. Here simulated ones send these.
    """
    rated = pl.read_parquet(data_file("data/sentences.parquet"), columns=["source", "text", "sentiment"])
    known, within = 1 - hyperparameters.live_share, hyperparameters.neutral_within
    places = [place(text, seed=hyperparameters.seed) for text in rated["text"]]
    return rated.filter(pl.col("source") == SOURCES[hyperparameters.source], pl.Series(places) < known).select(
        "text", sentiment=sentiment(pl.col("sentiment"), neutral_within=within)
    )


def sample_data(hyperparameters: Hyperparameters) -> pl.DataFrame:
    """Stand in for `load_data` when the training itself is tried out: 1,000 sentences, done in a second."""
    return load_data(hyperparameters).sample(1_000, seed=hyperparameters.seed)


def sentiment(rating: pl.Expr, *, neutral_within: float) -> pl.Expr:
    """Make a class of the mean rating by about twenty readers, -4 to 4."""
    return (
        pl.when(rating <= -neutral_within)
        .then(pl.lit(Sentiment.NEGATIVE.value))
        .when(rating >= neutral_within)
        .then(pl.lit(Sentiment.POSITIVE.value))
        .otherwise(pl.lit(Sentiment.NEUTRAL.value))
    )


def place(text: str, *, seed: int) -> float:
    """Give a sentence its place from 0 to 1, by its text alone: the same in every revision, whatever data are added.

    The first ones are held out, the last ones come in production. So a challenger and the incumbent can be compared on
    sentences that neither has seen.
    """
    return zlib.crc32(f"{seed} {text}".encode()) / 2**32


def split(load_data: pl.DataFrame, hyperparameters: Hyperparameters) -> Split:
    """Hold sentences out, and parse each by the schema: what training reads is what serving accepts."""
    instances = [Instance(text=text) for text in load_data["text"]]
    share, seed = hyperparameters.test_share, hyperparameters.seed
    held_out = pl.Series([place(instance.text, seed=seed) < share for instance in instances])
    return Split(
        X_train=[instance for instance, out in zip(instances, held_out, strict=True) if not out],
        y_train=load_data["sentiment"].filter(~held_out).to_list(),
        X_test=[instance for instance, out in zip(instances, held_out, strict=True) if out],
        y_test=load_data["sentiment"].filter(held_out).to_list(),
    )


def build_large(split: Split, hyperparameters: Hyperparameters) -> BaseEstimator:
    """Fit the model behind the route `large`."""
    match hyperparameters.model:
        case "benchmark":
            model = models.benchmark()
        case "words":
            model = models.words(vocabulary=hyperparameters.vocabulary)
        case "letters":
            model = models.words_and_letters()
    return fitted(model, split)


def build_small(split: Split, hyperparameters: Hyperparameters) -> BaseEstimator:
    """Fit the model behind the route `small`: always one of words, unless all is the benchmark."""
    if hyperparameters.model == "benchmark":
        return fitted(models.benchmark(), split)
    return fitted(models.words(vocabulary=hyperparameters.vocabulary), split)


def fitted(model: BaseEstimator, split: Split) -> BaseEstimator:
    with threadpool_limits(limits=1):  # done in seconds, and busy neighbours cannot make it wait for their cores
        return model.fit(models.to_texts(split.X_train), split.y_train)


def evaluate(split: Split, build_large: BaseEstimator, build_small: BaseEstimator) -> TestResults:
    """Run the data and regression tests against the serving app with this run's models."""
    return evaluate_models(X_test=split.X_test, y_test=split.y_test, X_train=split.X_train, y_train=split.y_train)


experiment = Experiment(load_data, split, build_large, build_small, evaluate, hyperparameters=Hyperparameters)

if __name__ == "__main__":
    experiment.run()
    experiment.save()
