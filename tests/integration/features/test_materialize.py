"""Materialisation into every kind of online store: only what differs, one writer, never a mix, whatever is killed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from rung.data import Append, Catalogue, Dataset, Replace, reading_from
from rung.errors import ConflictError, FeaturesMissingError, NotFoundError, UnavailableError
from rung.features import (
    Feature,
    FeatureView,
    OnlineSource,
    OnlineStore,
    Put,
    Reader,
    State,
    ViewOf,
    join,
    materialize_view,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + 100 * DAY


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    found = Catalogue(tmp_path / "datasets")
    with reading_from(found):
        yield found


def rows(*given: tuple[Any, int, float | None]) -> pl.DataFrame:
    """Rows of a house, a day, and an area."""
    return pl.DataFrame(
        [[house, START + day * DAY, area] for house, day, area in given],
        schema={"house": pl.String, "known": pl.Datetime("us", "UTC"), "area": pl.Float64},
        orient="row",
    )


def areas(**changes: Any) -> FeatureView:
    given: dict[str, Any] = {
        "name": "areas",
        "entity": "house",
        "source": Dataset("houses"),
        "time": "known",
        "features": {"area": Feature(float)},
    }
    return FeatureView(**{**given, **changes})


def doubled(houses: pl.LazyFrame) -> pl.LazyFrame:
    return houses.with_columns(area=pl.col("area") * 2)


def fetch(store: OnlineStore, view: FeatureView, *houses: str, day: int = 100) -> list[float]:
    reader = Reader(ViewOf(view, OnlineSource(store, view)), [])
    return reader.of(houses, at=[START + day * DAY] * len(houses))["area"]


def test_each_entity_gets_its_newest_row(catalogue: Catalogue, store: OnlineStore):
    catalogue.write("houses", rows(("a", 1, 10.0), ("b", 1, 20.0), ("a", 2, 11.0)), how=Append())
    done = materialize_view(areas(), store, now=NOW)
    assert (done.outcome, done.entities, done.written, done.is_full) == ("written", 2, 2, True)
    assert fetch(store, areas(), "b", "a", "b") == [20.0, 11.0, 20.0]


def test_only_entities_that_differ_are_written(catalogue: Catalogue, store: OnlineStore):
    catalogue.write("houses", rows(("a", 1, 10.0), ("b", 1, 20.0), ("c", 1, 30.0)), how=Append())
    materialize_view(areas(), store, now=NOW)
    catalogue.write("houses", rows(("a", 5, 11.0), ("d", 5, 40.0), ("c", 1, 30.0)), how=Append())
    told: list[tuple[int, int]] = []
    done = materialize_view(areas(), store, now=NOW, report=lambda written, of: told.append((written, of)))
    assert (done.outcome, done.entities, done.written, done.is_full) == ("written", 4, 2, False)
    assert told == [(2, 2)]
    assert fetch(store, areas(), "a", "b", "c", "d") == [11.0, 20.0, 30.0, 40.0]


def test_nothing_new_writes_nothing(catalogue: Catalogue, store: OnlineStore):
    catalogue.write("houses", rows(("a", 1, 10.0)), how=Append())
    materialize_view(areas(), store, now=NOW)
    done = materialize_view(areas(), store, now=NOW)
    assert (done.outcome, done.entities, done.written) == ("unchanged", 1, 0)


def test_entity_that_is_gone_is_missing(catalogue: Catalogue, store: OnlineStore):
    catalogue.write("houses", rows(("a", 1, 10.0), ("b", 1, 20.0)), how=Append())
    materialize_view(areas(), store, now=NOW)
    catalogue.write("houses", rows(("a", 1, 10.0)), how=Replace())
    assert materialize_view(areas(), store, now=NOW).written == 1
    assert fetch(store, areas(), "a") == [10.0]
    with pytest.raises(FeaturesMissingError):
        fetch(store, areas(), "b")


def test_rows_of_the_future_count_when_it_comes(catalogue: Catalogue, store: OnlineStore):
    catalogue.write("houses", rows(("a", 1, 10.0), ("a", 150, 15.0), ("a", 200, 20.0)), how=Append())
    materialize_view(areas(), store, now=NOW)
    assert [fetch(store, areas(), "a", day=day)[0] for day in (100, 149, 150, 199, 200)] == [10, 10, 15, 15, 20]


def test_instant_before_what_is_kept_is_refused(catalogue: Catalogue, store: OnlineStore):
    catalogue.write("houses", rows(("a", 1, 10.0), ("a", 50, 11.0)), how=Append())
    view, whole = areas(), areas(history=None)
    for one in (view, whole):
        materialize_view(one, store, now=NOW)
    assert fetch(store, whole, "a", day=49) == [10.0]
    with pytest.raises(FeaturesMissingError) as caught:
        fetch(store, view, "a", day=49)
    [(index, because)] = caught.value.places
    assert index == 0
    assert because.endswith("raise the view's history")


def test_changed_definition_reads_no_other_values(catalogue: Catalogue, store: OnlineStore):
    catalogue.write("houses", rows(("a", 1, 10.0)), how=Append())
    materialize_view(areas(), store, now=NOW)
    other = areas(transform=doubled)
    with pytest.raises(UnavailableError, match="are not materialised"):
        fetch(store, other, "a")
    materialize_view(other, store, now=NOW)
    assert (fetch(store, areas(), "a"), fetch(store, other, "a")) == ([10.0], [20.0])


def test_rows_that_nothing_can_find_are_counted(catalogue: Catalogue, store: OnlineStore):
    nobody = rows(("a", 1, 10.0), (None, 1, 20.0)).vstack(rows(("b", 1, 1.0)).with_columns(known=None))
    catalogue.write("houses", nobody, how=Append())
    done = materialize_view(areas(), store, now=NOW)
    assert (done.entities, done.skipped) == (1, 2)


def test_broken_off_materialisation_is_made_up(catalogue: Catalogue, store: OnlineStore):
    catalogue.write("houses", rows(("a", 1, 10.0), ("b", 1, 20.0)), how=Append())
    materialize_view(areas(), store, now=NOW)
    catalogue.write("houses", rows(("a", 2, 11.0), ("x", 2, 50.0)), how=Append())
    break_off(store, areas(), after=1)
    catalogue.write("houses", rows(("a", 1, 10.0), ("b", 3, 22.0)), how=Replace())
    done = materialize_view(areas(), store, now=NOW)
    assert (done.outcome, done.is_full, done.entities) == ("written", True, 2)
    assert fetch(store, areas(), "a", "b") == [10.0, 22.0]
    with pytest.raises(FeaturesMissingError):
        fetch(store, areas(), "x")


def test_writer_that_was_overtaken_writes_no_more(catalogue: Catalogue, store: OnlineStore):
    catalogue.write("houses", rows(*((f"h{number}", 1, 1.0) for number in range(5_000))), how=Append())
    newer: list[str] = []

    def overtake(written: int, _: int) -> None:
        if not newer:
            catalogue.write("houses", rows(("h0", 2, 2.0), ("h4999", 2, 2.0)), how=Append())
            newer.append(materialize_view(areas(), store, now=NOW).outcome)

    slow = materialize_view(areas(), store, now=NOW, report=overtake)
    assert (slow.outcome, newer) == ("superseded", ["written"])
    assert fetch(store, areas(), "h0", "h1", "h4999") == [2.0, 1.0, 2.0]
    assert State.from_text(store.read(areas().key, []).state).versions == [2]


def test_older_versions_never_replace_newer_ones(catalogue: Catalogue, store: OnlineStore):
    catalogue.write("houses", rows(("a", 1, 10.0)), how=Append())
    catalogue.write("houses", rows(("a", 2, 11.0)), how=Append())
    materialize_view(areas(), store, now=NOW)
    text = store.read(areas().key, []).state
    ahead = State(versions=[7], kinds=["str"], datasets=["houses"]).to_text()
    store.put(areas().key, Put(expected=text, state=ahead))
    with pytest.raises(ConflictError, match="later versions of areas than houses@2"):
        materialize_view(areas(), store, now=NOW)


def test_source_that_is_not_there_is_told(catalogue: Catalogue, store: OnlineStore):
    with pytest.raises(NotFoundError, match="there is no dataset 'houses'"):
        materialize_view(areas(), store)


def test_what_is_served_equals_what_training_joins(catalogue: Catalogue, store: OnlineStore):
    view = areas(ttl=30 * DAY, history=None, features={"area": Feature(float, default=-1.0)})
    houses = [f"h{number}" for number in range(40)]
    for version in range(3):
        given = [(house, (number * 7 + 11 * version) % 60, number / 3 + version) for number, house in enumerate(houses)]
        catalogue.write("houses", rows(*given), how=Append())
        materialize_view(view, store, now=NOW)
        for day in (0, 20, 45, 90):
            spine = pl.DataFrame({"house": houses, "time": START + day * DAY})
            assert join(spine, [view])["area"].to_list() == fetch(store, view, *houses, day=day)
        view = areas(ttl=view.ttl, history=None, features=view.features)  # its Dataset has settled on a version


def break_off(store: OnlineStore, view: FeatureView, *, after: int) -> None:
    """Materialise, and be killed after so many writes."""
    left = [after + 1]  # the first says that somebody has begun

    class Killed(BaseException):
        pass

    class Dying:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def put(self, key: str, change: Put) -> bool:
            if not left[0]:
                raise Killed
            left[0] -= 1
            return store.put(key, change)

    with pytest.raises(Killed):
        materialize_view(view, Dying(), now=NOW)  # type: ignore[arg-type]
