from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from rung.serving._metrics import _Many

BOUNDS = (0.001, 0.1, 1.0, 5.0)


@given(st.lists(st.one_of(st.sampled_from(BOUNDS), st.floats(min_value=0, max_value=10))))
def test_many_values_count_as_one_after_the_other(values: list[float]):
    many, single = (kind("h", "h", buckets=BOUNDS, registry=None) for kind in (_Many, Histogram))
    for value in values:
        single.observe(value)
    many.observe_all(list(values))
    for ours, theirs in zip(samples(many), samples(single), strict=True):
        assert ours[0] == theirs[0]
        assert math.isclose(ours[1], theirs[1], rel_tol=1e-9)


def samples(histogram: Histogram) -> list[tuple[str, float]]:
    registry = CollectorRegistry()
    registry.register(histogram)
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return [(line.rpartition(" ")[0], float(line.rpartition(" ")[2])) for line in lines if "_created" not in line]
