"""What came of answers: a column for each business metric, as `rung.lake._attribution` gives outcomes to answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from rung.lake import _attribution

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["OUTCOME", "OUTCOME_TIME", "is_outcome", "outcomes_of"]

OUTCOME: Final = "outcome."
OUTCOME_TIME: Final = "outcome_time"
"""When the last of the outcomes of an answer happened."""


def is_outcome(column: str) -> bool:
    """Say whether a column tells what came of an answer."""
    return column.startswith(OUTCOME) or column == OUTCOME_TIME


def outcomes_of(
    outcomes: pl.LazyFrame, answers: pl.LazyFrame, keys: Iterable[int], units: Iterable[int]
) -> pl.DataFrame:
    """Give what came of some answers.

    An outcome belongs to the answer that it names, or to the last one that its unit had got before it. Of outcomes that
    are the same the earliest counts; of several of one metric the mean is told.

    Args:
        outcomes: Of the service, from the table.
        answers: Of the service, from the table of predictions: all that an outcome may belong to.
        keys: Of the ids of answers that are looked at.
        units: Keys of the units whose answers are looked at.

    Returns:
        A row for each of these answers: id, a column `outcome.METRIC` for each metric that any of them has, and
        `outcome_time`.
    """
    ids, owners = pl.Series(list(keys), dtype=pl.Int64), pl.Series(list(units), dtype=pl.Int64)
    looked_at = answers.filter(pl.col("id_key").is_in(ids.implode()) | pl.col("unit_key").is_in(owners.implode()))
    narrow = looked_at.select("id", "id_key", "unit_key", "time").collect(engine="streaming")
    named = outcomes.filter(
        pl.col("prediction_key").is_in(narrow["id_key"].unique().implode()) | pl.col("unit_key").is_in(owners.implode())
    )
    told = _attribution.once(named)
    came = _attribution.attribute(told, narrow.lazy(), ["id_key"]).collect(engine="streaming")
    means = came.group_by("id_key", "metric").agg(value=pl.col("value").mean()).sort("metric")
    last = came.group_by("id_key").agg(pl.col("at").max().alias(OUTCOME_TIME))
    wide = means.with_columns(metric=pl.lit(OUTCOME) + pl.col("metric")).pivot("metric", index="id_key", values="value")
    ids_only = narrow.unique("id", keep="last").select("id", "id_key")
    return ids_only.join(wide, on="id_key", how="left").join(last, on="id_key", how="left").drop("id_key")
