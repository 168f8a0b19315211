from __future__ import annotations

import pytest

from rung.gateway import Split, assigned
from rung.gateway.assignment import challenger_buckets, xxh64

VECTORS = {  # of bytes(range(n)); made with the reference implementation
    0: 0xEF46DB3751D8E999,
    1: 0xE934A84ADB052768,
    3: 0xE5C7BB4533BC65DD,
    4: 0xFFCED8604453CC1E,
    8: 0x884A173614B81B8D,
    31: 0xC346D2B59B4D8EE1,
    32: 0xCBF59C5116FF32B4,
    33: 0xC535D1ACAFB8EAD,
    63: 0xE26AA9E2A95F8E4F,
    64: 0xF7C67301DB6713F0,
    100: 0x6AC1E58032166597,
}


def split(share: float, experiment: str = "e1") -> Split:
    return Split(experiment=experiment, challenger="housing.v1.m3", share=share)


@pytest.mark.parametrize(("length", "digest"), VECTORS.items())
def test_hash_equals_the_reference(length: int, digest: int):
    assert xxh64(bytes(range(length))) == digest


def test_share_of_units_is_the_split():
    units = [f"customer-{number}" for number in range(10_000)]
    challenged = sum(assigned(split(0.3), unit) == "challenger" for unit in units)
    assert 2_800 < challenged < 3_200  # four standard deviations


def test_experiments_draw_units_anew():
    units = [f"customer-{number}" for number in range(2_000)]
    first = {unit for unit in units if assigned(split(0.5, "e1"), unit) == "challenger"}
    second = {unit for unit in units if assigned(split(0.5, "e2"), unit) == "challenger"}
    assert 400 < len(first & second) < 600


@pytest.mark.parametrize("unit", [None, "", "a,b", "ä", "tab\tbed", "x" * 257])
def test_unusable_units_have_no_arm(unit: str | None):
    assert assigned(split(1.0), unit) == "none"


@pytest.mark.parametrize(("share", "arm"), [(0.0, "incumbent"), (1.0, "challenger")])
def test_extreme_shares_take_every_unit(share: float, arm: str):
    assert {assigned(split(share), f"customer-{number}") for number in range(500)} == {arm}


def test_shares_are_kept_in_ten_thousandths():
    assert [challenger_buckets(split(share)) for share in (0.0001, 0.1, 0.123456)] == [1, 1_000, 1_235]
