"""Hold features that were served against a join of the datasets, as of the instant and at the versions of then.

The join is that of training, and what was served came through the online store: where both agree bit for bit, a model
was asked in production what it had learned from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.errors import ConflictError
from rung.features._entry import moment
from rung.features._join import AT, joined
from rung.features._rows import INSTANT, TIME, rows
from rung.features._sources import plain
from rung.features._views import view_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rung.features._view import FeatureView

__all__ = ["Difference", "Verified", "verify"]

_AT_ONCE: Final = 100_000
"""Rows that are joined together."""
_SHOWN: Final = 20
"""Differences that are told; all are counted."""
_ORDER: Final = "__rung_order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A row that was served otherwise than it is joined."""

    prediction: str
    view: str
    entity: str
    at: str  # the instant, RFC 3339
    versions: dict[str, int]  # of the datasets, then
    served: dict[str, Any]
    joined: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Verified:
    """What a verification found."""

    predictions: int = 0
    rows: int = 0
    different: int = 0
    differences: list[Difference] = field(default_factory=list)  # the first ones


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    """One row as it was served."""

    prediction: str
    entity: list[Any] | None
    at: int  # microseconds
    time: int | None  # of the row that counted
    values: list[Any]


def verify(views: Mapping[str, FeatureView], served: Iterable[tuple[str, str]]) -> Verified:
    """Join every row again that was served, and compare times and values bit for bit.

    Args:
        views: Of the service, by name, as the code of its revision defines them.
        served: Ids of predictions, and what was fetched for them, as the prediction log has it.

    Raises:
        ConflictError: A view was served by another definition than the one here.
        NotFoundError: A view or a version of a dataset is no more.
    """
    found = Verified()
    waiting: dict[tuple[str, tuple[tuple[str, int], ...]], list[_Served]] = {}
    for prediction, text in served:
        found.predictions += 1
        for fetch in json.loads(text):
            view = view_of(views.values(), fetch["view"])
            _check_definition(view, fetch["definition"])
            for row in fetch["rows"]:
                key = view.name, _versions(fetch["versions"], row[3])
                group = waiting.setdefault(key, [])
                group.append(_Served(prediction=prediction, entity=row[0], at=row[1], time=row[2], values=row[4]))
                if len(group) >= _AT_ONCE:
                    _compare(view, dict(key[1]), waiting.pop(key), found)
    for (name, versions), group in waiting.items():
        _compare(views[name], dict(versions), group, found)
    return found


def _versions(whole: dict[str, int], ahead: list[int] | None) -> tuple[tuple[str, int], ...]:
    """Give the versions that a row was of: an entry may have been written before the others of its versions."""
    numbers = whole.values() if ahead is None else ahead
    return tuple(zip(whole, numbers, strict=True))


def _check_definition(view: FeatureView, definition: str) -> None:
    if view.definition != definition:
        raise ConflictError(
            f"{view.name} was served as {definition}, and is {view.definition} in this code",
            hint="verify it with the code and the environment of the revision that served it",
        )


def _compare(view: FeatureView, versions: dict[str, int], group: list[_Served], found: Verified) -> None:
    numbers = [versions[source.name] for source in view.sources]
    spine = pl.LazyFrame(
        {
            **{
                name: [None if one.entity is None else one.entity[place] for one in group]
                for place, name in enumerate(view.entities)
            },
            AT: pl.Series([one.at for one in group], dtype=pl.Int64),
            _ORDER: pl.Series(range(len(group)), dtype=pl.Int64),
        }
    ).with_columns(pl.col(AT).cast(INSTANT))
    again = joined(spine.sort(AT), view, rows(view, numbers)).sort(_ORDER)
    columns = again.select(pl.col(TIME).cast(pl.Int64), *view.features).collect()
    for one, (time, *values) in zip(group, columns.iter_rows(), strict=True):
        found.rows += 1
        expected = [time, *map(plain, values)]
        if json.dumps([one.time, *one.values]) != json.dumps(expected):
            found.different += 1
            if len(found.differences) < _SHOWN:
                found.differences.append(_told(view, versions, one, expected))


def _told(view: FeatureView, versions: dict[str, int], one: _Served, expected: list[Any]) -> Difference:
    names = (view.time, *view.features)
    return Difference(
        prediction=one.prediction,
        view=view.name,
        entity=json.dumps(one.entity),
        at=moment(one.at),
        versions=versions,
        served=dict(zip(names, [one.time, *one.values], strict=True)),
        joined=dict(zip(names, expected, strict=True)),
    )
