from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.lake._upkeep import Join, Partition, Stored, due

KB, MB = 1 << 10, 1 << 20
TODAY = date(2026, 11, 21)
NOW: Partition = (("service", "housing"), ("date", "2026-11-21"))
OVER: Partition = (("service", "housing"), ("date", "2026-11-19"))


def stored(partition: Partition, *sizes: int) -> list[Stored]:
    return [Stored(partition=partition, size=size) for size in sizes]


@pytest.mark.parametrize(
    ("sizes", "target"),
    [
        pytest.param([10 * KB] * 31, None, id="a few small files wait"),
        pytest.param([10 * KB] * 32, MB, id="many small files become one"),
        pytest.param([100 * KB] * 11, MB, id="what makes a megabyte is joined"),
        pytest.param([MB] * 7, None, id="seven of a megabyte wait"),
        pytest.param([MB] * 8, 8 * MB, id="eight of a megabyte become one"),
        pytest.param([8 * MB] * 8, 64 * MB, id="eight of eight become one"),
        pytest.param([60 * MB] * 50, None, id="large files stay"),
        pytest.param([60 * MB, 600 * KB], None, id="a large one is not touched for a small one"),
        pytest.param([10 * KB] * 32 + [MB] * 8, 8 * MB, id="the largest join takes the small ones along"),
    ],
)
def test_what_is_due_costs_as_much_as_what_is_new(sizes: list[int], target: int | None):
    found = due(stored(NOW, *sizes), today=TODAY)
    assert found == ([] if target is None else [Join(partition=NOW, target=target)])


def test_a_day_that_is_over_has_few_files():
    assert due(stored(OVER, *[10 * KB] * 3), today=TODAY) == []
    assert due(stored(OVER, *[10 * KB] * 4), today=TODAY) == [Join(partition=OVER, target=64 * MB)]
    yesterday: Partition = (("service", "housing"), ("date", "2026-11-20"))
    assert due(stored(yesterday, *[10 * KB] * 4), today=TODAY) == []


def test_most_files_come_first():
    both = stored(OVER, *[10 * KB] * 5) + stored(NOW, *[10 * KB] * 40)
    assert [join.partition for join in due(both, today=TODAY)] == [NOW, OVER]


@given(st.lists(st.integers(1, 100 * MB), max_size=400))
def test_what_waits_is_bounded(sizes: list[int]):
    """Joining until nothing is due leaves a bounded number of files that are not full."""
    while joins := due(stored(NOW, *sizes), today=TODAY):
        (join,) = joins
        smaller = [size for size in sizes if size < join.target]
        sizes = [size for size in sizes if size >= join.target] + [sum(smaller)]
    assert sum(size < 32 * MB for size in sizes) < 31 + 16 + 16


def test_a_row_is_written_a_bounded_number_of_times():
    sizes: list[int] = []
    new = written = 0
    for _ in range(20_000):
        sizes.append(20 * KB)
        new += 20 * KB
        for join in due(stored(NOW, *sizes), today=TODAY):
            smaller = [size for size in sizes if size < join.target]
            sizes = [size for size in sizes if size >= join.target] + [sum(smaller)]
            written += sum(smaller)
    assert written < 4 * new
