"""When a test will be decided."""

from __future__ import annotations

import numpy as np
import pytest

from rung.stats import Arm, SequentialTest, outlook
from rung.stats.sequential import log_likelihood_ratios

_TEST = SequentialTest(minimum_effect=0.02, kind="proportion", goal="maximize")
_HOUR = 3_600.0


def arms(units: int, *, ours: float, theirs: float = 0.1) -> tuple[Arm, Arm]:
    won, kept = units * ours, units * theirs
    return Arm(units=units, y=won, yy=won), Arm(units=units, y=kept, yy=kept)


def test_time_shrinks_towards_either_bound():
    low, middle, high = (_TEST.look([arms(900, ours=rate)]) for rate in (0.096, 0.112, 0.129))
    found = [outlook(look, minimum_effect=0.02, elapsed=_HOUR) for look in (low, middle, high)]
    assert [look.decision for look in (low, middle, high)] == ["continue"] * 3
    assert found[1].if_better > max(found[0].if_better, found[2].if_better)
    assert found[0].if_not < found[1].if_not


def test_faster_traffic_halves_the_time():
    look = _TEST.look([arms(900, ours=0.11)])
    slow = outlook(look, minimum_effect=0.02, elapsed=2 * _HOUR)
    fast = outlook(look, minimum_effect=0.02, elapsed=_HOUR)
    assert (slow.if_better, slow.if_not) == (2 * fast.if_better, 2 * fast.if_not)


def test_decided_test_takes_no_time():
    found = outlook(_TEST.look([arms(20_000, ours=0.2)]), minimum_effect=0.02, elapsed=_HOUR)
    assert (found.if_better, found.if_not, found.because) == (0.0, 0.0, "it is decided")


@pytest.mark.parametrize("elapsed", [0.0, _HOUR])
def test_nothing_seen_tells_no_time(elapsed: float):
    found = outlook(_TEST.look([arms(0, ours=0.0)]), minimum_effect=0.02, elapsed=elapsed)
    assert (found.if_better, found.if_not) == (None, None)
    assert "no evidence yet" in found.because


def test_burn_in_is_waited_for():
    look = _TEST.look([arms(90, ours=0.3)])
    assert look.decision == "continue"
    found = outlook(look, minimum_effect=0.02, elapsed=_HOUR)
    waiting = _HOUR * (look.bounds.burn_in / look.progress - 1)
    assert found.if_better == pytest.approx(max(waiting, found.if_better or 0.0))
    assert found.if_better >= waiting > 0


@pytest.mark.parametrize("drift", [0.0, 1.0], ids=["no effect", "minimum effect"])
def test_mean_time_is_that_of_simulated_tests(drift: float):
    """From a look on, the information grows by a hundredth of the fixed horizon at a time."""
    look = _TEST.look([arms(900, ours=0.112)])
    found = outlook(look, minimum_effect=0.02, elapsed=_HOUR)
    random, repeats, steps = np.random.default_rng(11), 2_000, 600
    begun = look.standard_error**-2
    step = _TEST.fixed_information / 100
    information = np.broadcast_to(begun + step * np.arange(1, steps + 1), (repeats, steps))
    moves = random.normal(drift * 0.02 * step, np.sqrt(step), size=(repeats, steps))
    estimate = (look.effect * begun + np.cumsum(moves, axis=1)) / information
    single, weighted = log_likelihood_ratios(estimate, information, minimum_effect=0.02)
    ended = (single <= look.bounds.lower) | (weighted >= look.bounds.upper)
    taken = (ended.argmax(axis=1) + 1) * step / begun * _HOUR
    expected = found.if_better if drift else found.if_not
    assert ended.any(axis=1).all()
    assert float(taken.mean()) == pytest.approx(expected, rel=0.15)
