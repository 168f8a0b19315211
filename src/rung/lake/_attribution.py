"""Which answer an outcome belongs to: the one that it names, or the last one that its unit had got before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["attribute", "once"]


def once(outcomes: pl.LazyFrame) -> pl.LazyFrame:
    """Keep the earliest of outcomes that are the same, each with `at`, when it happened or else came in.

    Returns:
        metric, value, unit_key, prediction_key, at; in the order of `at`.
    """
    told = outcomes.select(
        "metric", "value", "unit_key", "prediction_key", "same_key", at=pl.coalesce("time", "received")
    )
    return told.sort("at", "value").unique("same_key", keep="first", maintain_order=True).drop("same_key")


def attribute(told: pl.LazyFrame, answers: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    """Join outcomes with the answers that they belong to; those that belong to none are left out.

    An outcome that names both a prediction and a unit belongs to the prediction. It comes after the answer that it
    names, whatever the consumer's clock says; of several answers with the same id it belongs to the last.

    Args:
        told: What `once` returns.
        answers: Rows of the table of predictions.
        columns: Of the answers, kept beside metric, value and `at`; `time` is when the request came.

    Returns:
        metric, value, at, the columns, and `unit`: the key of the answer's unit, or of its id where it has none.
    """
    kept = list(dict.fromkeys((*columns, "time")))
    needed = answers.select("id_key", "unit_key", *(name for name in kept if name not in {"id_key", "unit_key"}))
    named = told.filter(pl.col("prediction_key").is_not_null())
    by_prediction = (
        needed.join(named.select(id_key="prediction_key"), on="id_key", how="semi")
        .sort("time")
        .unique("id_key", keep="last", maintain_order=True)
        .join(named.drop("unit_key"), left_on="id_key", right_on="prediction_key")
        .with_columns(at=pl.max_horizontal("at", "time"))
    )
    by_unit = (
        told.filter(pl.col("prediction_key").is_null())
        .drop("prediction_key")
        .join_asof(
            needed.filter(pl.col("unit_key").is_not_null()).sort("time"),
            left_on="at",
            right_on="time",
            by="unit_key",
            coalesce=False,
            check_sortedness=False,  # `once` sorted one side, the other is sorted just above
        )
        .filter(pl.col("id_key").is_not_null())
    )
    result = ["metric", "value", "at", *columns, pl.coalesce("unit_key", "id_key").alias("unit")]
    return pl.concat([by_prediction.select(result), by_unit.select(result)])
