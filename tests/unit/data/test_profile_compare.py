"""What changed between two profiles: told in sentences, the largest first, and nothing that chance would show."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from rung.data.profile import Change, compare, headline, profile
from rung.data.profile._bins import Bin
from rung.data.profile._distances import categories, numbers

ROWS = 4_000


def rows(seed: int = 0, **columns: object) -> pl.DataFrame:
    draw = random.Random(seed)
    made = {
        "price": [draw.gauss(100, 20) for _ in range(ROWS)],
        "street": [draw.choice(["paved", "paved", "gravel"]) for _ in range(ROWS)],
        "rooms": [draw.randint(1, 9) for _ in range(ROWS)],
        "name": [f"house {draw.random()}" for _ in range(ROWS)],
    }
    return pl.DataFrame(made | columns)


def gauss(mean: float, deviation: float) -> list[float]:
    draw = random.Random(2)
    return [draw.gauss(mean, deviation) for _ in range(ROWS)]


def changes(**columns: object) -> list[Change]:
    return compare(profile(rows()), profile(rows(seed=1, **columns)))


def told(**columns: object) -> list[str]:
    return [change.told for change in changes(**columns)]


@pytest.mark.parametrize("seed", range(1, 8))
@pytest.mark.parametrize("size", [30, 500, ROWS])
def test_samples_of_the_same_are_alike(seed: int, size: int):
    assert compare(profile(rows()), profile(rows(seed).head(size))) == []
    assert headline([]) == "nothing changed beyond chance"


def test_median_that_rose_is_told():
    change, *_ = changes(price=gauss(140, 20))
    assert change.told.startswith("price moved much: its median rose from 99.6945 to ")
    assert change.told.endswith(f"(Jensen-Shannon distance {change.size:.2f})")
    assert change.figures["wasserstein"] == pytest.approx(2, abs=0.1)
    assert change.figures["psi"] > 1
    assert change.figures["ks"] == pytest.approx(0.68, abs=0.05)


def test_spread_that_shrank_is_told():
    assert told(price=gauss(100, 8))[0].startswith("price moved much: its standard deviation shrank from 20.")


def test_shape_that_changed_is_told():
    draw = random.Random(2)
    two_peaks = [draw.choice([80, 120]) + draw.gauss(0, 1) for _ in range(ROWS)]
    found = told(price=two_peaks)[0]
    assert found.startswith("price moved much: its ")


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"price": None}, "price: 100 % of the rows are null; none was"),
        ({"price": float("nan")}, "price: 100 % of the rows are not a number; none was"),
        ({"street": "mud"}, "street has values that it never had: 'mud' (100 %)"),
        ({"street": "paved"}, "street had values that it has no more: 'gravel' (3"),
        ({"street": " "}, "street: 100 % of the rows are blank; none was"),
        ({"rooms": 5}, "rooms moved much: its standard deviation shrank from"),
        ({"rooms": [0] * 5 + [4] * (ROWS - 5)}, "rooms moved much"),
        ({"rooms": 900}, "rooms lies at 900; it lay from 1 to 9"),
        ({"rooms": 5.5}, "rooms holds Float64; it held Int64"),
        ({"name": "x"}, "the length of name moved much"),
        ({"size": 3}, "size is new; it holds Int32"),
    ],
)
def test_change_is_told(columns: dict[str, object], sentence: str):
    values = {name: value if isinstance(value, list) else pl.lit(value) for name, value in columns.items()}
    after = rows(seed=1).with_columns(
        **{name: pl.Series(v) if isinstance(v, list) else v for name, v in values.items()}
    )
    assert any(change.told.startswith(sentence) for change in compare(profile(rows()), profile(after)))


def test_column_that_is_gone_comes_first():
    found = compare(profile(rows()), profile(rows(seed=1, street=["mud"] * ROWS).drop("rooms")))
    assert found[0].told == "rooms is gone; it held Int64"
    assert headline(found) == f"rooms is gone; it held Int64; {len(found) - 1} smaller changes"
    assert [change.size for change in found] == sorted((change.size for change in found), reverse=True)


def test_no_rows_are_told():
    found = compare(profile(rows()), profile(rows().head(0)))
    assert found[0].told == f"there are no rows; there were {ROWS:,}"


def test_correlation_that_is_gone_is_told():
    before = rows().with_columns(tax=pl.col("price") * 2)
    after = rows(seed=1).with_columns(tax=pl.col("price").shuffle(seed=1) * 2)
    (change,) = compare(profile(before), profile(after))
    assert change.told.startswith("price and tax are correlated by ")
    assert change.told.endswith("; they were by 1.00")


def test_keys_that_repeat_are_told():
    before, after = pl.DataFrame({"id": [1, 2, 3, 4]}), pl.DataFrame({"id": [1, 2, 2, 4]})
    found = compare(profile(before, key=["id"]), profile(after, key=["id"]))
    assert found[0].told == "1 rows have a key (id) that an earlier row has; there were none"


def test_time_that_goes_on_ranks_last():
    days = pl.date_range(pl.date(2025, 1, 1), pl.date(2025, 12, 31), eager=True)
    found = compare(profile(pl.DataFrame({"day": days})), profile(pl.DataFrame({"day": days.dt.offset_by("1y")})))
    assert [(change.size, change.told) for change in found] == [
        (0.0, "day lies from 2026-01-01 to 2026-12-31; it lay from 2025-01-01 to 2025-12-31")
    ]


def test_one_impossible_value_is_told():
    price = rows(seed=1)["price"].to_list()
    assert told(price=[*price[:-1], 1.0]) == []
    assert told(price=[*price[:-1], 5_000.0])[0].startswith("price lies from ")
    assert told(price=[*price[:-1], -1.0])[0].startswith("price lies from -1 to ")


def test_distances_do_not_grow_with_the_rows():
    few = categories([400, 600], [600, 400])
    many = categories([400_000, 600_000], [600_000, 400_000])
    assert few.jensen_shannon == pytest.approx(many.jensen_shannon, abs=0.01)
    assert categories([4, 6], [6, 4]).is_chance
    assert categories([0, 0], [1, 1]).is_chance


def test_wasserstein_is_the_way_of_a_value():
    before, after = [Bin(0.0, 0.0, 100)], [Bin(3.0, 3.0, 100)]
    assert numbers(before, after, deviation=None).wasserstein == 3.0
    assert numbers(before, after, deviation=1.5).wasserstein == 2.0
    assert numbers(before, after, deviation=1.5).ks == 1.0


def test_moments_lie_within_their_own_range():
    """Microseconds after a whole second: the range and the histogram must round alike."""
    for begin in (datetime(1969, 1, 1, tzinfo=UTC), datetime(2515, 1, 1, tzinfo=UTC)):
        found = profile(pl.DataFrame({"time": [begin, begin + timedelta(microseconds=43), begin]}))
        assert compare(found, found) == []
