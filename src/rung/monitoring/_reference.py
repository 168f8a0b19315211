"""What a revision is held against: statistics of what its training saw, and estimators of the quality of its answers.

Made of the sample of plain data that evaluation kept with the revision (`rung.testing.REFERENCE`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rung import artifacts
from rung.errors import CallError, NotFoundError, RungError
from rung.monitoring._rows import of_values, vocabulary_of
from rung.monitoring._sketch import EMPTY, statistics
from rung.schema import ABTest
from rung.serving import read_bundle
from rung.stats import confidence_estimator, score_estimator
from rung.testing import REFERENCE, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rung.data.profile import Profile
    from rung.schema import Score
    from rung.stats import Estimator

__all__ = ["HeldOut", "Known", "Quality", "columns_for", "known_of"]

_ONE: Final = 1e-3
"""By which probabilities of all classes may miss their sum."""
_MOST_VALUES: Final = 64
"""Different texts of a column that scores are estimated from."""
_CONFIDENCE: Final = "confidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What can be estimated of the answers of a route."""

    metric: str  # a business metric of the service, or `accuracy`
    goal: str  # `maximize` or `minimize`
    estimator: Estimator
    classes: tuple[str, ...] = ()  # columns of probabilities, of a classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """What a business metric would have been of the held-out rows."""

    mean: float
    standard_error: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a revision from its training."""

    instances: Profile = EMPTY.rows  # of those that were trained on, or held out where these are not known
    predictions: Mapping[str, Profile] = field(default_factory=dict)  # for held-out instances, by route
    vocabularies: Mapping[str, frozenset[int]] = field(default_factory=dict)  # by column of prose
    qualities: Mapping[str, Quality] = field(default_factory=dict)  # by route
    held_out: Mapping[str, Mapping[str, HeldOut]] = field(default_factory=dict)  # by route and business metric
    goals: Mapping[str, str] = field(default_factory=dict)  # by business metric: `maximize` or `minimize`
    least: Mapping[str, float] = field(default_factory=dict)  # by metric: the smallest difference that matters
    because: str = ""  # why there is no more of it


def known_of(state: Path, store: artifacts.Store, revision: str) -> Known:
    """Read what a training kept; empty, with the reason, where it kept nothing.

    Raises:
        IntegrityError: What was kept is not what was signed.
    """
    try:
        bundle = read_bundle(state, revision)
    except NotFoundError:
        return Known(because=f"the bundle of {revision} is not on this machine")
    test = ABTest.model_validate(bundle.ab_test)
    known = Known(
        goals={metric.name: metric.goal for metric in test.metrics},
        least={metric.name: metric.minimum_effect for metric in test.metrics},
    )
    digest = bundle.artifacts.get(REFERENCE)
    if digest is None:
        return replace(known, because=f"the training of {revision} kept no reference")
    if not store.has(digest):
        return replace(known, because=f"what the training of {revision} kept is not on this machine")
    data = store.get(digest)
    artifacts.verify(data, digest)
    return _known(known, Reference.model_validate(artifacts.decode(data)), test)


def columns_for(quality: Quality, rows: pl.DataFrame) -> dict[str, NDArray[Any]]:
    """Give the columns that an estimator takes; what these rows lack is missing in all of them."""
    if quality.classes:
        there = rows.select(quality.classes) if set(quality.classes) <= set(rows.columns) else rows.clear()
        return {_CONFIDENCE: there.select(pl.max_horizontal(pl.all())).to_series().drop_nulls().to_numpy()}
    count = rows.height
    return {
        name: _array(rows[name]) if name in rows.columns else np.full(count, math.nan)
        for name in quality.estimator.columns
    }


def _known(known: Known, kept: Reference, test: ABTest) -> Known:
    trained = kept.trained or kept.held_out
    if not trained:
        return replace(known, because="what its training saw were no instances")
    plain = of_values(trained, None, {})
    words = vocabulary_of(plain) if kept.trained else {}
    instances = statistics(plain)
    if words and kept.held_out:  # every word that was trained on is known: held-out texts tell how many are not
        held_out = statistics(of_values(kept.held_out, None, words)).columns
        instances = replace(instances, columns=held_out | instances.columns)
    answered = {route: of_values(kept.held_out, told, words) for route, told in kept.predictions.items()}
    return replace(
        known,
        instances=instances,
        predictions={route: statistics(_of(rows, "prediction")) for route, rows in answered.items()},
        vocabularies=words,
        qualities=_qualities(kept, answered, test),
        held_out={route: _held_out(test, told, kept.truths) for route, told in kept.predictions.items()},
    )


def _of(rows: pl.DataFrame, part: str) -> pl.DataFrame:
    return rows.select(name for name in rows.columns if name.startswith(part))


def _qualities(kept: Reference, answered: Mapping[str, pl.DataFrame], test: ABTest) -> dict[str, Quality]:
    found = {}
    for route, rows in answered.items():
        quality = _of_classes(rows, kept.truths) or _of_scores(kept, route, rows, test)
        if quality is not None:
            found[route] = quality
    return found


def _held_out(test: ABTest, predictions: Sequence[Any], truths: Sequence[Any]) -> dict[str, HeldOut]:
    """Score the held-out rows by each business metric that says how."""
    found = {}
    for metric in test.metrics:
        scored = None if metric.score is None else _scored(metric.score, predictions, truths)
        scores = np.array([score for score in scored or () if score is not None])
        if scores.size > 1:
            error = float(scores.std(ddof=1) / math.sqrt(scores.size))
            found[metric.name] = HeldOut(mean=float(scores.mean()), standard_error=error, rows=scores.size)
    return found


def _of_classes(rows: pl.DataFrame, truths: Sequence[Any]) -> Quality | None:
    """Estimate the accuracy of a classifier that gives a probability for each class."""
    fields = [name for name, kind in rows.schema.items() if name.startswith("prediction.") and kind.is_float()]
    names = [name.partition(".")[2] for name in fields]
    if len(fields) < 2 or not truths or not set(map(str, truths)) <= set(names):  # noqa: PLR2004  two classes
        return None
    shares = rows.select(fields).to_numpy()
    if np.isnan(shares).any() or (np.abs(shares.sum(axis=1) - 1) > _ONE).any():
        return None
    correct = [names[place] == str(truth) for place, truth in zip(shares.argmax(axis=1), truths, strict=True)]
    try:
        estimator = confidence_estimator(shares.max(axis=1), correct)
    except CallError:  # too few rows
        return None
    return Quality(metric="accuracy", goal="maximize", estimator=estimator, classes=tuple(fields))


def _of_scores(kept: Reference, route: str, rows: pl.DataFrame, test: ABTest) -> Quality | None:
    """Estimate the first business metric that says how it follows from a prediction and the truth."""
    for metric in test.metrics:
        scored = None if metric.score is None else _scored(metric.score, kept.predictions[route], kept.truths)
        if scored is not None and not all(score is None for score in scored):
            there = [score is not None for score in scored]
            arrays = {name: _array(column) for name, column in _usable(rows.filter(pl.Series(there))).items()}
            try:
                estimator = score_estimator(arrays, [score for score in scored if score is not None])
            except RungError:  # too few rows, or no columns
                return None
            return Quality(metric=metric.name, goal=metric.goal, estimator=estimator)
    return None


def _scored(score: Score, predictions: Sequence[Any], truths: Sequence[Any]) -> list[float | None] | None:
    if len(truths) != len(predictions):
        return None
    return [
        score.of(prediction, float(truth)) if isinstance(truth, int | float) else None
        for prediction, truth in zip(predictions, truths, strict=True)
    ]


def _usable(rows: pl.DataFrame) -> dict[str, pl.Series]:
    """Give the columns that tell rows apart without naming each: texts that nearly all differ are left out."""
    return {
        name: rows[name]
        for name, kind in rows.schema.items()
        if kind != pl.String() or rows[name].n_unique() <= _MOST_VALUES
    }


def _array(column: pl.Series) -> NDArray[Any]:
    """Give numbers, of times too; of all else texts."""
    kind = column.dtype
    if kind.is_numeric() or kind == pl.Boolean():
        return column.cast(pl.Float64).fill_null(math.nan).to_numpy()
    if kind.is_temporal():
        return column.to_physical().cast(pl.Float64).fill_null(math.nan).to_numpy()
    return np.asarray(column.cast(pl.String).fill_null("").to_list(), dtype=np.str_)
