from __future__ import annotations

from collections import Counter

import pytest

from rung.gateway import Challenger, Production, Split, assigned
from rung.gateway.assignment import xxh64

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


def ab(share: float, experiment: str = "e1") -> Production:
    return split(Split.ab(experiment=experiment, challenger="housing.v1.m3", share=share))


def bandit(*shares: float, salt: str | None = None) -> Production:
    challengers = tuple(
        Challenger(revision=f"housing.v1.m{minor}", share=share) for minor, share in enumerate(shares, 3)
    )
    return split(Split(experiment="e1", challengers=challengers, bandit=True, salt=salt))


def split(wanted: Split) -> Production:
    return Production(service="housing", major=1, incumbent="housing.v1.m2", split=wanted)


def arm(production: Production, unit: str) -> str:
    found = assigned(production, unit)
    assert found
    return found.name


@pytest.mark.parametrize(("length", "digest"), VECTORS.items())
def test_hash_equals_the_reference(length: int, digest: int):
    assert xxh64(bytes(range(length))) == digest


def test_share_of_units_is_the_split():
    units = [f"customer-{number}" for number in range(10_000)]
    challenged = sum(arm(ab(0.3), unit) == "challenger" for unit in units)
    assert 2_800 < challenged < 3_200  # four standard deviations


def test_each_arm_gets_its_share():
    arms = Counter(arm(bandit(0.3, 0.2, 0.1), f"customer-{number}") for number in range(10_000))
    assert arms.keys() == {"m3", "m4", "m5", "m2"}
    for name, expected in {"m3": 3_000, "m4": 2_000, "m5": 1_000, "m2": 4_000}.items():
        assert abs(arms[name] - expected) < 200


def test_experiments_draw_units_anew():
    units = [f"customer-{number}" for number in range(2_000)]
    first = {unit for unit in units if arm(ab(0.5, "e1"), unit) == "challenger"}
    second = {unit for unit in units if arm(ab(0.5, "e2"), unit) == "challenger"}
    assert 400 < len(first & second) < 600


def test_salts_draw_units_anew():
    units = [f"customer-{number}" for number in range(2_000)]
    drawn = [{unit for unit in units if arm(bandit(0.5, salt=salt), unit) == "m3"} for salt in ("e1.1", "e1.2", "e1")]
    assert all(400 < len(drawn[0] & other) < 600 for other in drawn[1:])
    assert drawn[2] == {unit for unit in units if arm(bandit(0.5), unit) == "m3"}


def test_arm_says_who_answers_and_how_likely():
    found = assigned(bandit(1.0), "customer-7")
    assert found
    assert (found.name, found.revision, found.weight, found.propensity) == ("m3", "housing.v1.m3", 10_000, 1.0)


@pytest.mark.parametrize("unit", [None, "", "a,b", "ä", "tab\tbed", "x" * 257])
def test_unusable_units_have_no_arm(unit: str | None):
    assert assigned(ab(1.0), unit) is None


def test_without_experiment_no_unit_is_assigned():
    assert assigned(Production(service="housing", major=1, incumbent="housing.v1.m2"), "customer-7") is None


@pytest.mark.parametrize(("share", "only"), [(0.0, "incumbent"), (1.0, "challenger")])
def test_extreme_shares_take_every_unit(share: float, only: str):
    assert {arm(ab(share), f"customer-{number}") for number in range(500)} == {only}
