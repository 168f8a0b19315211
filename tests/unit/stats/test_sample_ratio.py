import pytest

from rung.errors import CallError
from rung.stats import sample_ratio, stratified_sample_ratio

EVEN = {"challenger": 0.5, "incumbent": 0.5}


def test_an_even_split_is_valid():
    found = sample_ratio({"challenger": 10_050, "incumbent": 9_950}, EVEN)
    assert not found.invalid
    assert found.e_value < 1
    assert found.p_value == 1


def test_a_lost_quarter_is_invalid():
    found = sample_ratio({"challenger": 7_500, "incumbent": 10_000}, EVEN)
    assert found.invalid
    assert found.because.startswith("the traffic did not split as declared")
    assert "challenger has 7,500 units, 42.9% where 50.0% was declared" in found.because


def test_shares_need_not_sum_to_one():
    split = {"challenger": 1_000, "incumbent": 9_000}
    assert not sample_ratio(split, {"challenger": 10, "incumbent": 90}).invalid
    assert sample_ratio(split, EVEN).invalid


def test_no_units_are_no_evidence():
    assert sample_ratio({"challenger": 0, "incumbent": 0}, EVEN).e_value == pytest.approx(1)


def test_huge_counts_stay_finite():
    found = sample_ratio({"challenger": 10_000_000, "incumbent": 20_000_000}, EVEN)
    assert found.invalid
    assert found.e_value < float("inf")


def test_strata_multiply_their_evidence():
    stratum = {"challenger": 470, "incumbent": 530}, EVEN
    assert not stratified_sample_ratio([stratum]).invalid
    assert stratified_sample_ratio([stratum] * 20).invalid


@pytest.mark.parametrize(
    ("counts", "shares"),
    [
        ({"challenger": 1}, EVEN),
        ({"challenger": -1, "incumbent": 1}, EVEN),
        ({"challenger": 1, "incumbent": 1}, {"challenger": 0, "incumbent": 1}),
    ],
)
def test_wrong_arms_are_refused(counts: dict, shares: dict):
    with pytest.raises(CallError):
        sample_ratio(counts, shares)
