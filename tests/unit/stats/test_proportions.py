import pytest

from rung.errors import CallError
from rung.stats import wilson_interval


def test_the_interval_is_wilsons():
    assert wilson_interval(50, 1_000) == pytest.approx((0.0381, 0.0653), abs=1e-4)
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(10, 10)[1] == 1
    assert wilson_interval(0, 0) == (0, 1)


def test_more_confidence_is_wider():
    narrow, wide = wilson_interval(5, 10), wilson_interval(5, 10, confidence=0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize(("successes", "trials", "confidence"), [(2, 1, 0.95), (-1, 1, 0.95), (1, 2, 1.0)])
def test_impossible_counts_are_refused(successes: int, trials: int, confidence: float):
    with pytest.raises(CallError):
        wilson_interval(successes, trials, confidence=confidence)
