"""What came of one answer: the outcomes that belong to it, as `_attribution` gives outcomes to answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from rung.lake import _attribution, _lines, _requests

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["of_answer"]


def of_answer(predictions: pl.LazyFrame, outcomes: pl.LazyFrame, row: Mapping[str, Any]) -> pl.DataFrame:
    """Give the outcomes of one answer: those that name it, and those that its unit reported before its next answer.

    An outcome of a unit belongs to what production answered it last, whatever the major or the route.

    Args:
        predictions: The table.
        outcomes: The table.
        row: Of the prediction, from the table of predictions.

    Returns:
        metric, value, at; in the order of time.
    """
    key = _lines.key(row["id"])
    unit = _lines.key(row["unit"]) if row["unit"] else None
    told = outcomes.filter(
        pl.col("service") == row["service"],
        pl.col("date") >= row["date"],
        (pl.col("prediction_key") == key) | (pl.col("unit_key") == unit if unit is not None else pl.lit(value=False)),
    )
    answers = predictions.filter(
        pl.col("service") == row["service"],
        pl.col("date") >= row["date"],
        (pl.col("id_key") == key) | (_requests.PRODUCTION & _requests.ANSWERED & (pl.col("unit_key") == unit)),
    )
    came = _attribution.attribute(_attribution.once(told), answers, ["id_key"]).filter(pl.col("id_key") == key)
    return came.select("metric", "value", "at").sort("at", "metric", "value").collect(engine="streaming")
