"""Whether a winner is better than the defaults, or was lucky."""

from __future__ import annotations

import pytest

from rung.tuning._evidence import Pair, judge


def pairs(*values: tuple[float | None, float | None]) -> list[Pair]:
    return [
        Pair(seed=seed, defaults=defaults, winner=winner, runs=("a", "b"))
        for seed, (defaults, winner) in enumerate(values, 1)
    ]


def test_a_clear_gain_is_better() -> None:
    found = judge(pairs((0.50, 0.60), (0.52, 0.63), (0.48, 0.57)), "maximize")
    assert found.is_better
    assert found.gain == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 - 4.302653 * 0.01 / 3**0.5, rel=1e-6)  # t of 2 degrees of freedom


def test_less_is_better_where_a_metric_is_minimized() -> None:
    values = pairs((0.60, 0.50), (0.63, 0.52), (0.57, 0.48))
    assert judge(values, "minimize").is_better
    assert not judge(values, "maximize").is_better


def test_a_gain_within_the_spread_is_not_shown() -> None:
    found = judge(pairs((0.50, 0.60), (0.52, 0.48), (0.48, 0.50)), "maximize")
    assert not found.is_better
    assert "not shown to be better" in found.because


def test_a_failed_run_shows_nothing() -> None:
    assert judge(pairs((0.5, 0.6), (0.5, None)), "maximize").because == "1 of 2 pairs have failed runs"


def test_one_pair_has_no_spread() -> None:
    assert not judge(pairs((0.5, 0.6)), "maximize").is_better


def test_a_pair_is_read_as_it_was_written() -> None:
    [one] = pairs((0.5, None))
    assert Pair.from_json(one.to_json()) == one
