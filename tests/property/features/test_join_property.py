"""Whatever rows there are: training and serving find the same ones, and both those that a slow search finds."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
from held import Held
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.errors import FeaturesMissingError
from rung.features import Feature, FeatureView, HistoricalSource, Reader, ViewOf

if TYPE_CHECKING:
    from collections.abc import Sequence

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

hours = st.one_of(st.none(), st.integers(0, 12))
text = st.sampled_from(["a", "b", "c", "", "ä", '"', None])
number = st.sampled_from([1, 2, None])
value = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0, 0.1 + 0.2, 5e-324, 1.7976931348623157e308]))
row = st.tuples(text, number, hours, value, st.sampled_from(["x", "y", None]))
asked = st.tuples(text, number, hours)
views = st.fixed_dictionaries(
    {
        "ttl": st.sampled_from([None, HOUR, 3 * HOUR]),
        "default": st.sampled_from([..., None, 7.5]),
        "history": st.sampled_from([None, 1, 2]),
        "several": st.booleans(),
    }
)


def view_of(
    rows: Sequence[Any], *, ttl: timedelta | None, default: Any, history: int | None, several: bool
) -> FeatureView:
    frame = pl.DataFrame(
        [[letter, digit, at(hour), size, word] for letter, digit, hour, size, word in rows],
        schema={
            "letter": pl.String,
            "digit": pl.Int32,
            "known": pl.Datetime("ms"),
            "size": pl.Float64,
            "word": pl.String,
        },
        orient="row",
    )
    return FeatureView(
        name="sizes",
        entity=("letter", "digit") if several else "letter",
        source=Held(frame),  # type: ignore[arg-type]
        time="known",
        ttl=ttl,
        features={"size": Feature(float, default=default), "word": Feature(str, default="none")},
        history=history,
    )


def at(hour: int | None) -> datetime | None:
    return None if hour is None else (START + hour * HOUR).replace(tzinfo=None)


def search(rows: Sequence[Any], one: Any, view: FeatureView) -> tuple[float | None, str]:
    """Find the features of one row of a spine, slowly."""
    letter, digit, hour = one
    several = len(view.entities) > 1
    nothing = view.defaults["size"], "none"
    if letter is None or hour is None or (several and digit is None):
        return nothing
    best = None
    for candidate in rows:
        same = candidate[0] == letter and (not several or candidate[1] == digit)
        is_known = candidate[2] is not None and candidate[2] <= hour
        if same and is_known and (best is None or candidate[2] >= best[2]):
            best = candidate
    if best is None or (view.ttl is not None and (hour - best[2]) * HOUR > view.ttl):
        return nothing
    size = best[3] if best[3] is not None and math.isfinite(best[3]) else nothing[0]
    return size, best[4] or "none"


def exact(pairs: Sequence[Any]) -> list[Any]:
    return [(None if size is None else size.hex(), word) for size, word in pairs]


@given(st.lists(row, max_size=25), st.lists(asked, max_size=12), views)
@settings(deadline=None)
def test_join_finds_what_a_slow_search_finds(rows: list[Any], spine: list[Any], shape: dict[str, Any]):
    view = view_of(rows, **shape)
    frame = pl.DataFrame(
        [[letter, digit, at(hour), index] for index, (letter, digit, hour) in enumerate(spine)],
        schema={"letter": pl.String, "digit": pl.Int64, "time": pl.Datetime("us"), "index": pl.Int64},
        orient="row",
    )
    joined = view.join(frame)
    assert joined.select(frame.columns).equals(frame)
    assert exact(joined.select("size", "word").rows()) == exact([search(rows, one, view) for one in spine])


@given(st.lists(row, max_size=25), st.lists(asked, min_size=1, max_size=12), views)
@settings(deadline=None)
def test_serving_gives_what_training_joined(rows: list[Any], spine: list[Any], shape: dict[str, Any]):
    view = view_of(rows, **{**shape, "history": None})
    spine = [one for one in spine if one[2] is not None]
    for one in spine:
        expected = search(rows, one, view)
        ids = [one[:2] if shape["several"] else one[0]]
        moment = (START + one[2] * HOUR).astimezone(UTC)
        try:
            fetched = Reader(ViewOf(view, HistoricalSource(view)), []).of(ids, at=[moment])
        except FeaturesMissingError:
            assert expected[0] is None
            assert shape["default"] is ...
            continue
        assert exact([(fetched["size"][0], fetched["word"][0])]) == exact([expected])
