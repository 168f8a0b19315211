from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rung.errors import CallError
from rung.gateway import Backend, Challenger, Gateway, Production, Routing, Shadow, Split

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

M2 = Backend(revision="housing.v1.m2", endpoints=("unix:/run/m2.sock",))
M3 = Backend(revision="housing.v1.m3", endpoints=("127.0.0.1:9000", "[::1]:9000"))
SPLIT = Split.ab(experiment="e1", challenger="housing.v1.m3", share=0.5)
SHADOW = Shadow(revision="housing.v1.m4", share=0.1)


def production(**changes: Any):
    return Production(**{"service": "housing", "major": 1, "incumbent": "housing.v1.m2", **changes})


def several(*shares: float, bandit: bool = True) -> Split:
    challengers = tuple(
        Challenger(revision=f"housing.v1.m{minor}", share=share) for minor, share in enumerate(shares, 3)
    )
    return Split(experiment="e1", challengers=challengers, bandit=bandit)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Backend(revision="housing.m2", endpoints=("unix:/a",)), "not a revision"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=()), "no endpoint"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("unix:/a", "unix:/a")), "twice"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("unix:a.sock",)), "not absolute"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("unix:/" + "x" * 107,)), "108 bytes"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("localhost:80",)), "IP address"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("127.0.0.1:99999",)), "no port"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("unix:/a",), timeout_s=0), "timeout"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("unix:/a",), timeout_s=float("nan")), "timeout"),
        (lambda: Split.ab(experiment="a b", challenger="housing.v1.m3", share=0.5), "id of an experiment"),
        (lambda: Split.ab(experiment="e1", challenger="housing.v1.m3", share=1.1), "share of the challenger"),
        (lambda: Split(experiment="e1", challengers=SPLIT.challengers, salt=r"\\1"), "is not a salt"),
        (lambda: Split(experiment="e1", challengers=SPLIT.challengers, salt=""), "is not a salt"),
        (several, "no challenger"),
        (lambda: several(0.1, 0.1, bandit=False), "bandit=True"),
        (lambda: several(0.6, 0.5), "sum to 1.1"),
        (lambda: Shadow(revision="housing.v1.m3", share=float("nan")), "share"),
        (lambda: production(service="Housing"), "name of a service"),
        (lambda: production(unit_header="X-Unit"), "unit header"),
        (lambda: production(unit_header="x-rung-unit"), "unit header"),
        (lambda: production(incumbent=None, split=SPLIT), "no incumbent"),
        (lambda: production(incumbent=None, shadows=(SHADOW,)), "no incumbent"),
        (lambda: production(incumbent="housing.v1.m3", split=SPLIT), r"once: housing\.v1\.m3: .* challenge itself"),
        (lambda: production(shadows=(SHADOW, SHADOW)), "each shadow one share"),
        (lambda: production(split=Split(experiment="e1", challengers=2 * SPLIT.challengers, bandit=True)), "once"),
        (lambda: production(incumbent="housing.v2.m2"), "not a revision of housing.v1"),
        (lambda: Routing(backends=(M2, M2)), "more than once"),
        (lambda: Routing(backends=(M2,), productions=(production(), production())), "more than once"),
        (lambda: Routing(backends=(M2,), productions=(production(split=SPLIT),)), "no backend"),
        (lambda: Routing(backends=(M2,), productions=(production(shadows=(SHADOW,)),)), "no backend"),
        (lambda: Routing(outcomes="collector:80"), "IP address"),
    ],
)
def test_impossible_values_are_refused(make: Callable[[], object], says: str):
    with pytest.raises(CallError, match=says):
        make()


def test_gateway_refuses_a_deep_folder(tmp_path: Path):
    with pytest.raises(CallError, match="shorter folder"):
        Gateway(folder=tmp_path / ("x" * 100), port=8080)


def test_production_names_who_gets_requests():
    other = Shadow(revision="housing.v1.m5", share=1.0)
    shadowed = production(split=SPLIT, shadows=(SHADOW, other))
    assert shadowed.answering == ("housing.v1.m2", "housing.v1.m3")
    assert shadowed.revisions == ("housing.v1.m2", "housing.v1.m3", "housing.v1.m4", "housing.v1.m5")
    assert production(incumbent=None).answering == ()


def test_ab_test_names_its_arms_by_their_part():
    assert [arm.name for arm in production(split=SPLIT).arms] == ["challenger", "incumbent"]
    assert production().arms == ()


def test_bandit_names_its_arms_by_their_revision():
    arms = production(split=several(0.3, 0.2)).arms
    assert [(arm.name, arm.propensity) for arm in arms] == [("m3", 0.3), ("m4", 0.2), ("m2", 0.5)]
    assert [arm.name for arm in production(split=several(0.3)).arms] == ["m3", "m2"]


@pytest.mark.parametrize(
    ("shares", "weights"),
    [
        ((0.0001,), (1, 9_999)),
        ((0.123456,), (1_235, 8_765)),
        ((0.0,), (0, 10_000)),
        ((1 / 6,) * 6, (1_667, 1_666, 1_667, 1_667, 1_666, 1_667, 0)),
        ((0.1,) * 10, (*(1_000,) * 10, 0)),
    ],
    ids=["smallest", "between", "paused", "sixths", "sum with an error of rounding"],
)
def test_shares_are_kept_in_ten_thousandths(shares: tuple[float, ...], weights: tuple[int, ...]):
    assert several(*shares).weights == weights


def test_possible_values_are_taken():
    routing = Routing(backends=(M2, M3), productions=(production(split=SPLIT),), outcomes="unix:/run/collector.sock")
    assert routing.backend("housing.v1.m3") is M3
