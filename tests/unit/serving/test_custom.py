from __future__ import annotations

import math
import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from rung.errors import CallError
from rung.serving._custom import Metrics


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metric(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


def shown(registry: CollectorRegistry, name: str) -> dict[str, float]:
    lines = [line for line in generate_latest(registry).decode().splitlines() if line.startswith(f"service_{name}")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if "_created" not in line}


def test_count_grows_by_one_or_more(metric: Metrics, registry: CollectorRegistry):
    metric("offers_shown")
    metric("offers_shown", 3)
    assert shown(registry, "offers_shown") == {"service_offers_shown_total": 4.0}


def test_labels_count_apart(metric: Metrics, registry: CollectorRegistry):
    for place in ("first", "second", "first"):
        metric("offers_taken", place=place)
    assert shown(registry, "offers_taken") == {
        'service_offers_taken_total{place="first"}': 2.0,
        'service_offers_taken_total{place="second"}': 1.0,
    }


def test_values_of_a_label_are_bounded(metric: Metrics, registry: CollectorRegistry):
    for number in range(1_000):
        metric("seen", city=f"c{number}")
    found = shown(registry, "seen")
    assert len(found) == 21
    assert found['service_seen_total{city="other"}'] == 980.0


def test_histogram_tells_the_distribution(metric: Metrics, registry: CollectorRegistry):
    for value in (0.2, 3, 70):
        metric.histogram("distance_km", value)
    found = shown(registry, "distance_km")
    assert (found["service_distance_km_count"], found["service_distance_km_sum"]) == (3.0, 73.2)
    assert found['service_distance_km_bucket{le="5.0"}'] == 2.0


def test_gauge_keeps_the_newest(metric: Metrics, registry: CollectorRegistry):
    metric.gauge("cached", 8)
    metric.gauge("cached", 5)
    assert shown(registry, "cached") == {"service_cached": 5.0}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_value_that_no_sum_survives_is_left_out(metric: Metrics, registry: CollectorRegistry, value: float):
    metric("weight", 2)
    metric("weight", value)
    assert shown(registry, "weight") == {"service_weight_total": 2.0}


@pytest.mark.parametrize("name", ["", "Offers", "offers-shown", "9lives", "x" * 64, 'a"b'])
def test_name_is_checked(metric: Metrics, name: str):
    with pytest.raises(CallError, match=re.escape(repr(name))):
        metric(name)


def test_count_cannot_shrink(metric: Metrics):
    with pytest.raises(CallError, match="a count only grows"):
        metric("offers", -1)


def test_metric_is_of_one_kind(metric: Metrics):
    metric("mixed", place="first")
    with pytest.raises(CallError, match="is a counter by place, not a histogram by nothing"):
        metric.histogram("mixed", 1.0)


def test_labels_and_metrics_are_few(metric: Metrics):
    with pytest.raises(CallError, match="4 labels"):
        metric("wide", a=1, b=2, c=3, d=4)
    for number in range(100):
        metric(f"name_{number}")
    with pytest.raises(CallError, match="100 metrics already"):
        metric("one_more")
