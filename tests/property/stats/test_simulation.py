"""The short version of benchmarks/ab: few repeats, one seed, and the goals within sampling error."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "ab"
REPEATS = 1_500


@pytest.fixture(scope="module")
def programs() -> Iterator[dict[str, ModuleType]]:
    loaded = {}
    for name in ("traffic", "goals", "simulate", "bandits"):
        specification = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        assert specification is not None
        assert specification.loader is not None
        loaded[name] = sys.modules[name] = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(loaded[name])
    yield loaded
    for name in loaded:
        del sys.modules[name]


@pytest.fixture
def simulate(programs: dict[str, ModuleType]) -> ModuleType:
    return programs["simulate"]


@pytest.fixture
def bandits(programs: dict[str, ModuleType]) -> ModuleType:
    return programs["bandits"]


@pytest.mark.parametrize(
    "name",
    [
        "proportion",
        "rare conversion",
        "day effects",
        "ramp 10-25-50 with a trend",
        "mean",
        "mean with CUPED",
        "latency, 10 % share, minimise",
        "ratio",
    ],
)
def test_errors_stay_within_bounds(simulate: ModuleType, name: str):
    scenario = next(scenario for scenario in simulate.traffic.scenarios() if scenario.name == name)
    random = np.random.default_rng(20)
    null, alternative = (simulate.run(scenario, effect, REPEATS, random) for effect in (0.0, 1.0))
    assert simulate.goals.interval_of(null.better, REPEATS)[0] <= 0.05
    assert simulate.goals.interval_of(alternative.better, REPEATS)[1] >= 0.80
    assert null.undecided + alternative.undecided < 0.01


def test_most_tests_end_early(simulate: ModuleType):
    scenario = simulate.traffic.of_rates("proportion", 0.10, 0.02)
    random = np.random.default_rng(21)
    null, alternative = (simulate.run(scenario, effect, REPEATS, random) for effect in (0.0, 1.0))
    assert (null.mean, null.median) < (0.50, 0.36)
    assert alternative.mean < 0.70
    assert alternative.median < 0.58


def test_large_effects_end_sooner(simulate: ModuleType):
    scenario = simulate.traffic.of_rates("proportion", 0.10, 0.02)
    found = simulate.run(scenario, 3.0, 500, np.random.default_rng(22))
    assert found.better > 0.99
    assert found.mean < 0.25


def test_harm_is_called_harmful(simulate: ModuleType):
    scenario = simulate.traffic.of_rates("proportion", 0.10, 0.02)
    found = simulate.run(scenario, -3.0, 500, np.random.default_rng(23))
    assert found.better == 0
    assert found.harmful > 0.5


def test_a_broken_guardrail_stops_promotion(simulate: ModuleType):
    scenario = simulate.traffic.of_rates("error rate", 0.01, 0.004, goal="minimize")
    broken = simulate.broken_guardrail(scenario, REPEATS, np.random.default_rng(24))
    assert simulate.goals.interval_of(broken, REPEATS)[0] <= 0.05


def test_lost_units_are_flagged(simulate: ModuleType):
    assert simulate.flagged(0.25, 200, np.random.default_rng(25)) >= 0.95
    assert simulate.flagged(0.0, 200, np.random.default_rng(26)) <= 0.01


def test_the_gate_keeps_its_level(simulate: ModuleType):
    random = np.random.default_rng(27)
    equal = simulate.rejected(1_000, 1_000, random, lost=0.05, gained=0.05)
    assert simulate.goals.interval_of(equal, 1_000)[0] <= 0.05
    assert simulate.rejected(10_000, 100, random, lost=0.015, gained=0.005) > 0.95


def test_medians_keep_the_level(simulate: ModuleType):
    random = np.random.default_rng(28)
    equal = simulate.rejected_median(300, 200, random, worse=0.0)
    assert simulate.goals.interval_of(equal, 200)[0] <= 0.05
    assert simulate.rejected_median(300, 50, random, worse=0.5) > 0.9


@pytest.mark.parametrize("rates", [(0.01, 0.01), (0.02, 0.01), (0.5, 0.5)])
def test_healthy_challengers_are_left_alone(simulate: ModuleType, rates: tuple[float, float]):
    share, _ = simulate.aborted(rates, 30, np.random.default_rng(29))
    assert share <= 0.04


@pytest.mark.parametrize(("rates", "within"), [((1.0, 0.01), 10), ((0.5, 0.01), 40), ((0.05, 0.01), 2_000)])
def test_broken_challengers_are_aborted(simulate: ModuleType, rates: tuple[float, float], within: int):
    share, requests = simulate.aborted(rates, 15, np.random.default_rng(30))
    assert share == 1
    assert requests <= within


def test_bandits_lose_little(bandits: ModuleType):
    random = np.random.default_rng(31)
    for arms in bandits.ARMS:
        ratios = bandits.regret(arms, 8, random)
        assert ratios.mean() - 2 * ratios.std() / 8**0.5 <= arms.at_most, arms.name


def test_bandits_name_the_best(bandits: ModuleType):
    share, units = bandits.wrong_winners((0.10, 0.10, 0.12), 0.02, 40, np.random.default_rng(32))
    assert share <= 0.1
    assert units < 100_000
