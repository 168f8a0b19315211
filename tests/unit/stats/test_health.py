import math

import numpy as np
import pytest

from rung.errors import CallError
from rung.stats import worse_errors


def test_a_dead_challenger_is_found_at_once():
    fired = next(n for n in range(1, 100) if worse_errors(n, n, n, 0, tolerated=0.01).decision == "abort")
    assert fired <= 10
    beside = next(n for n in range(1, 100) if worse_errors(n, n, 10_000, 20, tolerated=0.01).decision == "abort")
    assert beside <= 5


@pytest.mark.parametrize(
    ("ours", "theirs", "decision"),
    [
        pytest.param((1_000, 10), (1_000, 10), "continue", id="equal"),
        pytest.param((1_000, 500), (1_000, 500), "continue", id="both are broken"),
        pytest.param((1_000, 19), (1_000, 10), "continue", id="within what is tolerated"),
        pytest.param((2_000, 120), (2_000, 20), "abort", id="five points worse"),
        pytest.param((5_000, 10), (5_000, 500), "continue", id="better"),
        pytest.param((0, 0), (0, 0), "continue", id="nothing yet"),
        pytest.param((20, 20), (0, 0), "continue", id="no incumbent to compare with"),
    ],
)
def test_decides_by_the_counts(ours: tuple[int, int], theirs: tuple[int, int], decision: str):
    found = worse_errors(*ours, *theirs, tolerated=0.01)
    assert found.decision == decision, found.because


def test_says_why_with_the_numbers():
    found = worse_errors(40, 12, 400, 4, tolerated=0.01, name="slow answers")
    assert found.because == (
        "slow answers in 12 of 40 requests to the challenger and in 4 of 400 to the incumbent: more than is tolerated,"
        f" 0.01 above the incumbent (evidence {found.e_value:.3g}, aborts at 100)"
    )
    assert (found.challenger_rate, found.incumbent_rate) == (0.3, 0.01)
    assert math.isnan(worse_errors(0, 0, 1, 0, tolerated=0.0).challenger_rate)


def test_periods_find_late_trouble():
    healthy, broken = [1_000] * 50, [30]
    totals = worse_errors(50_030, 130, 50_030, 100, tolerated=0.01)
    periods = worse_errors(healthy + broken, [2] * 50 + [30], healthy + broken, [2] * 50 + [0], tolerated=0.01)
    assert totals.decision == "continue"
    assert periods.decision == "abort"


@pytest.mark.parametrize("tolerated", [0.0, 0.02])
def test_the_likeliest_tolerated_rates_are_found(tolerated: float):
    rates = np.linspace(1e-4, 0.9, 2_000)
    best = max(
        20 * math.log(rate + tolerated)
        + 80 * math.log1p(-rate - tolerated)
        + 5 * math.log(rate)
        + 95 * math.log1p(-rate)
        for rate in rates
    )
    evidence = sum(
        math.lgamma(a + 0.5) + math.lgamma(b + 0.5) - math.lgamma(a + b + 1) - math.log(math.pi)
        for a, b in ((20, 80), (5, 95))
    )
    expected = (1 + math.exp(evidence - best)) / 2
    assert worse_errors(100, 20, 100, 5, tolerated=tolerated).e_value == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"challenger_errors": 11},
        {"incumbent_errors": -1},
        {"tolerated": 1.0},
        {"tolerated": -0.1},
        {"alpha": 0},
        {"challenger_requests": [5, 5]},
        {"challenger_requests": [5, 5], "challenger_errors": [1, 1]},
        {"challenger_requests": [], "challenger_errors": []},
        {"incumbent_requests": math.nan},
    ],
)
def test_impossible_counts_are_refused(wrong: dict):
    counts = {"challenger_requests": 10, "challenger_errors": 1, "incumbent_requests": 10, "incumbent_errors": 1}
    with pytest.raises(CallError):
        worse_errors(**{**counts, "tolerated": 0.01, **wrong})
