from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rung.lake._spill import SHARES, Spill
from rung.lake._units import COVARIATES, FIELDS, Exposures, Outcomes, find, shorten, sort_order, summarize

KEYS = st.sampled_from([-(2**63), -(2**62) + 1, -1, 0, 1, 2, 3, 2**62, 2**62 + 1, 2**63 - 1])
EXPOSURES = st.lists(st.tuples(KEYS, st.integers(0, 9), st.booleans()), max_size=20)
OUTCOMES = st.lists(st.tuples(KEYS, st.integers(0, 12), st.integers(0, 9), st.integers(-3, 3)), max_size=20)


def column(rows: list[tuple[int, ...]], number: int) -> np.ndarray:
    return np.array([row[number] for row in rows], dtype=np.int64)


def expected(exposures: list[tuple[int, int, bool]], outcomes: list[tuple[int, int, int, int]], split: int):
    """Sum as one would by hand: one unit after the other."""
    first = {key: min(2 * time + arm for k, time, arm in exposures if k == key) for key, _, _ in exposures}
    earliest: dict[int, tuple[int, int, int]] = {}
    for key, same, time, value in outcomes:
        earliest[same] = min(earliest.get(same, (99, 0, 0)), (time, value, key))
    cells = np.zeros((4, len(FIELDS)))
    for key, moment in first.items():
        mine = [value for time, value, k in earliest.values() if k == key and time >= moment >> 1]
        arms = {arm for k, _, arm in exposures if k == key}
        row = cells[2 * (moment >> 1 >= split) + (moment & 1)]
        row += [1, len(arms) == 2, *([0] * (len(FIELDS) - 2))]
        if mine:
            y, x, m = sum(mine), len(mine), sum(mine) / len(mine)
            row += [0, 0, 1, y, y**2, y**3, x, x**2, x * y, m, m**2, m**3, *([0] * len(COVARIATES))]
    due = sum(key in first and time >= first[key] >> 1 for time, _, key in earliest.values())
    known = sum(key in first for _, _, key in earliest.values())
    return cells, due, known - due, len(outcomes) - len(earliest)


@given(EXPOSURES, OUTCOMES, st.integers(0, 9))
def test_sums_are_those_made_by_hand(
    exposures: list[tuple[int, int, bool]], outcomes: list[tuple[int, int, int, int]], split: int
):
    # What is the same names the same unit, as the keys of the lake do.
    outcomes = [(KEY_OF[same], same, time, value) for _, same, time, value in outcomes]
    found = summarize(
        Exposures(units=column(exposures, 0), moments=2 * column(exposures, 1) + column(exposures, 2)),
        Outcomes(
            units=column(outcomes, 0),
            same=column(outcomes, 1),
            times=column(outcomes, 2),
            values=column(outcomes, 3).astype(np.float64),
        ),
        Outcomes.none(),
        np.array([split], dtype=np.int64),
    )
    cells, counted, early, duplicate = expected(exposures, outcomes, split)
    np.testing.assert_allclose(found.cells, cells, atol=1e-12)
    assert (found.counted, found.early, found.duplicate) == (counted, early, duplicate)


@given(EXPOSURES, OUTCOMES, st.integers(0, 9))
def test_short_exposures_say_as_much(
    exposures: list[tuple[int, int, bool]], outcomes: list[tuple[int, int, int, int]], split: int
):
    whole = Exposures(units=column(exposures, 0), moments=2 * column(exposures, 1) + column(exposures, 2))
    measured = Outcomes(
        units=column(outcomes, 0),
        same=column(outcomes, 1),
        times=column(outcomes, 2),
        values=column(outcomes, 3).astype(np.float64),
    )
    short = shorten(whole)
    assert (np.diff(short.units.astype(object)) >= 0).all()
    one, other = (summarize(found, measured, measured, np.array([split])) for found in (whole, short))
    np.testing.assert_array_equal(one.cells, other.cells)
    assert (one.counted, one.early, one.duplicate) == (other.counted, other.early, other.duplicate)


KEY_OF = [-(2**63), -(2**62) + 1, -1, 0, 1, 2, 3, 2**62, 2**62 + 1, 2**63 - 1, 7, 8, 9]


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | KEYS, max_size=40))
def test_the_order_is_that_of_a_stable_sort(numbers: list[int]):
    keys = np.array(numbers, dtype=np.int64)
    assert sort_order(keys).tolist() == np.argsort(keys, kind="stable").tolist()


@given(st.sets(KEYS), st.lists(KEYS))
def test_keys_are_found_or_not(known: set[int], asked: list[int]):
    ascending = np.array(sorted(known), dtype=np.int64)
    places = find(ascending, np.array(asked, dtype=np.int64))
    assert [ascending[place] if place >= 0 else None for place in places] == [
        key if key in known else None for key in asked
    ]


@given(st.lists(st.lists(st.tuples(KEYS, st.floats(allow_nan=False)), max_size=9), max_size=4))
def test_a_spill_gives_back_every_row(batches: list[list[tuple[int, float]]]):
    spill = Spill(2)
    for batch in batches:
        spill.add(column(batch, 0), np.array([value for _, value in batch], dtype=np.float64))
    found = []
    for share in range(SHARES):
        keys, values = spill.take(share)
        assert set((keys & (SHARES - 1)).tolist()) <= {share}
        found += zip(keys.tolist(), values.view(np.float64).tolist(), strict=True)
    rows = [row for batch in batches for row in batch]
    assert sorted(found) == sorted(rows)
    assert spill.rows == len(rows)
