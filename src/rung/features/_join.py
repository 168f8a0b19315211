"""Point-in-time joins: each row of a frame gets the features as they were known at its instant, never later ones.

Authors call it in training; `rung features verify` replays with it what was served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import polars as pl

from rung.data import require
from rung.errors import SchemaError
from rung.features._rows import INSTANT, TIME, TYPES, entity_type, instants, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.features._view import FeatureView

__all__ = ["AT", "join", "joined"]

FrameT = TypeVar("FrameT", pl.DataFrame, pl.LazyFrame)

AT: Final = "__rung_at"
_ROW: Final = "__rung_row"
_ENTITY: Final = "__rung_entity_"
_NEVER: Final = pl.lit(-(2**62)).cast(INSTANT)
"""Before every row: at an instant that is null nothing is known."""


def join(spine: FrameT, views: Sequence[FeatureView], *, at: str = "time") -> FrameT:
    """Give each row of a frame the features of these views as they were at its instant.

    For each row and view that is the newest row of the entity at or before the instant; of several of one instant the
    last one, in the order of the dataset. It is missing when there is none, when it is older than the view's `ttl`, or
    when the instant or the entity is null. A missing value is the feature's default; null where it has none, also where
    it is required: serving would refuse such an instance, so a training may leave the row out.

    Args:
        spine: The columns of each view's entity, by their names, an instant, and whatever else; in any order.
        views: Whose features are wanted; each name once.
        at: Column with the instant: a date, or a datetime, which is in UTC unless it says otherwise.

    Returns:
        The rows of the spine in their order, its columns and then the features; lazy where the spine is.

    Raises:
        SchemaError: A column is missing, of another type than the view's, or there twice.
        ContractError: Features break the contract of their view.
        NotFoundError: A source of a view is not there.
    """
    lazy = spine.lazy()
    schema = lazy.collect_schema()
    _check_names(schema, views, at)
    started = lazy.with_row_index(_ROW).with_columns(instants(at, schema[at], where=at).fill_null(_NEVER).alias(AT))
    found = started.sort(AT)
    for view in views:
        found = joined(found, view, rows(view)).drop(TIME)
    result = found.sort(_ROW).select(*schema.names(), *(name for view in views for name in view.features))
    if not any(view.contract for view in views):
        return result if isinstance(spine, pl.LazyFrame) else result.collect()
    held = result.collect()
    for view in views:
        _hold(view, held)
    return held.lazy() if isinstance(spine, pl.LazyFrame) else held


def _hold(view: FeatureView, found: pl.DataFrame) -> None:
    """Hold the features of a view against its contract, but for rows of which a required one is missing."""
    if view.contract is not None:
        required = [name for name, feature in view.features.items() if feature.is_required]
        whole = found.select(*view.features).drop_nulls(required) if required else found.select(*view.features)
        require(whole, view.contract, what=view.name)


def joined(spine: pl.LazyFrame, view: FeatureView, view_rows: pl.LazyFrame) -> pl.LazyFrame:
    """Add the features of one view, and `TIME`: when the row that counts became known, null where there is none.

    Args:
        spine: Sorted by `AT`, which has no null.
        view: Whose features.
        view_rows: As `rows` gives them.
    """
    left, right = spine.collect_schema(), view_rows.collect_schema()
    keys = [f"{_ENTITY}{name}" for name in view.entities]
    asked = spine.with_columns(
        pl.col(name).cast(_same_type(view, name, left[name], right[name])).alias(key)
        for name, key in zip(view.entities, keys, strict=True)
    )
    latest = view_rows.drop_nulls([*view.entities, TIME]).sort(TIME, maintain_order=True)
    found = asked.join_asof(
        latest.rename(dict(zip(view.entities, keys, strict=True))),
        left_on=AT,
        right_on=TIME,
        by=keys,
        strategy="backward",
        coalesce=False,
        check_sortedness=False,  # both are sorted above, which it cannot see within groups
    )
    fresh = pl.col(TIME).is_not_null()
    if view.ttl_us is not None:
        fresh &= (pl.col(AT) - pl.col(TIME)) <= pl.duration(microseconds=view.ttl_us)
    return found.with_columns(
        pl.when(fresh).then(pl.col(TIME)).alias(TIME), *(_filled(view, name, fresh) for name in view.features)
    ).drop(keys)


def _filled(view: FeatureView, name: str, fresh: pl.Expr) -> pl.Expr:
    value = pl.when(fresh).then(pl.col(name))
    default: Any = view.defaults[name]
    filled = value if default is None else value.fill_null(pl.lit(default, dtype=TYPES[view.features[name].kind]))
    return filled.alias(name)


def _same_type(view: FeatureView, name: str, asked: pl.DataType, known_as: pl.DataType) -> pl.DataType:
    if isinstance(asked, pl.Null):
        return known_as
    kind = entity_type(asked, where=name)
    if kind != known_as:
        raise SchemaError(
            f"{name} is {asked} in the frame, and {known_as} in {view.name}", hint="cast it: such rows never meet"
        )
    return kind


def _check_names(schema: pl.Schema, views: Sequence[FeatureView], at: str) -> None:
    needed = {at: "at=", **{name: view.name for view in views for name in view.entities}}
    for name, whose in needed.items():
        if name not in schema:
            raise SchemaError(
                f"the frame has no column {name!r}, which {whose} needs", hint=f"it has {', '.join(schema.names())}"
            )
    names = [*schema.names(), *(name for view in views for name in view.features)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SchemaError(
            f"the column {twice[0]!r} would be there twice", hint="rename it in the frame, or in a view's transform"
        )
