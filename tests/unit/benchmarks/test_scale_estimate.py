import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "scale"


def load(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"bench_scale_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


estimate, fit = load("estimate"), load("fit")

UNITS = estimate.Units(
    gateway_cpu_s=100e-6,
    server_cpu_s=700e-6,
    ship_cpu_s=7e-6,
    log_bytes=300,
    row_bytes=100,
    revision_memory_bytes=estimate.GIB // 10,
    routed_memory_bytes=estimate.GIB / 10_000,
    checks_cpu=0.0,
    change_s=0.001,
    tick_cpu_s=0.0005,
)


def test_needs_are_unit_costs_times_counts():
    found = estimate.needed(UNITS, estimate.Wanted(revisions=10_000, requests_per_s=1e6, rows_per_day=1e9))
    assert found.gateways == 9  # a hundred busy processors, of which each gateway has 16 that are 70 % busy
    assert found.server_cores == pytest.approx(1_000)
    assert found.nodes == 63
    assert found.gateway_memory_gib == pytest.approx(1.0)
    assert (found.tick_s, found.change_s) == pytest.approx((5.0, 10.0))


def test_health_checks_take_room_from_requests():
    wanted = estimate.Wanted()
    few, many = (estimate.needed(replace(UNITS, checks_cpu=each), wanted) for each in (1e-5, 5e-4))
    assert many.gateway_checks_cores == pytest.approx(5.0)
    assert many.gateways > few.gateways


def test_lowest_limit_comes_first():
    found = list(estimate.limits(UNITS).values())
    assert found == sorted(found)
    assert found[0] == pytest.approx(2_000)  # revisions whose look takes a second


def test_line_says_how_straight_it_is():
    straight, bent = fit.fitted([(1, 2.0), (2, 4.0), (3, 6.0)]), fit.fitted([(1, 1.0), (2, 4.0), (30, 10.0)])
    assert (straight.slope, straight.explained) == pytest.approx((2.0, 1.0))
    assert bent.explained < 0.99
