from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from rung.errors import CallError

if TYPE_CHECKING:
    from conftest import Writer
    from rung.lake import Lake, Pairs, Truth

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def mirror(writer: Writer, one: Any, other: Any, *, minute: float = 0, unit: str | None = None, **copy: Any) -> str:
    """Log a request of production and its copy."""
    instances = json.dumps(list(range(len(one)))).encode()
    texts = {"instances": instances, "minute": minute}
    name = writer.predict(unit, "none", predictions=json.dumps(one).encode(), **texts)
    shadow = {"revision": "housing.v1.m3", "kind": "shadow", "id": name, "predictions": json.dumps(other).encode()}
    writer.predict(unit, "none", **(texts | shadow | copy))
    return name


def shadow(lake: Lake, **changes: Any) -> Pairs:
    lake.ship()
    return lake.shadow("housing", 1, **({"shadow": "housing.v1.m3", "since": START} | changes))


def truth(lake: Lake, **changes: Any) -> list[Truth]:
    lake.ship()
    asked = {"shadow": "housing.v1.m3", "metric": "sold", "since": START}
    return lake.shadow_truth("housing", 1, **(asked | changes))


def test_answers_to_the_same_request_are_compared(lake: Lake, writer: Writer):
    mirror(writer, [{"price": 100.0}, {"price": 50.0}], [{"price": 110.0}, {"price": 50.0}])
    worst = mirror(writer, [{"price": 10.0}], [{"price": 40.0}], duration_ms=9.5)
    found = shadow(lake, tolerance=0.1)
    assert (found.mirrored, found.paired, found.answered, found.sampled) == (2, 2, 2, 2)
    assert (found.agreement.instances, found.agreement.same) == (3, 2)
    price = found.agreement.fields["price"]
    assert (price.compared, price.equal, price.close, price.difference) == (3, 1, 2, pytest.approx(40 / 3))
    first = found.agreement.differing[0]
    assert (first.id, first.instance, first.one, first.other) == (worst, 0, {"price": 10.0}, {"price": 40.0})
    assert (found.production.p50_ms, found.shadow.p50_ms) == (1.5, 5.5)


def test_distributions_of_both_are_counted(lake: Lake, writer: Writer):
    one = [{"price": float(x), "band": "low" if x < 50 else "high"} for x in range(100)]
    other = [{"price": x + 10.0, "band": "low"} for x in range(100)]
    for first in range(0, 100, 10):
        mirror(writer, one[first : first + 10], other[first : first + 10])
    shifts = shadow(lake).shifts
    assert (sum(shifts["price"].one), sum(shifts["price"].other)) == (100, 100)
    assert shifts["price"].distance == pytest.approx(0.1)
    assert dict(zip(shifts["band"].bins, shifts["band"].other, strict=True)) == {"low": 100, "high": 0}
    assert shifts["band"].distance > 0.4


def test_constant_predictions_have_no_shift(lake: Lake, writer: Writer):
    mirror(writer, [7, 7], [7, 7])
    found = shadow(lake).shifts[""]
    assert (found.distance, found.one, found.other) == (0.0, [2], [2])


def test_lists_and_mixed_values_have_none(lake: Lake, writer: Writer):
    mirror(writer, [{"a": 1, "b": None}], [{"a": "x", "b": None}])
    assert shadow(lake).shifts == {}


def test_failures_of_either_are_counted(lake: Lake, writer: Writer):
    mirror(writer, [1], [1])
    mirror(writer, [1], [1], status=500, predictions=None)
    failed = writer.predict(None, "none", status=500, predictions=None)
    writer.predict(None, "none", id=failed, kind="shadow", revision="housing.v1.m3")
    writer.predict(None, "none", kind="shadow", revision="housing.v1.m3")
    writer.predict(None, "none")
    found = shadow(lake)
    assert (found.mirrored, found.paired, found.answered) == (4, 3, 1)
    assert (found.shadow_failed, found.production_failed) == (1, 1)


def test_other_shadows_are_left_out(lake: Lake, writer: Writer):
    mirror(writer, [1], [2], revision="housing.v1.m4")
    mirror(writer, [1], [2], kind="replay")
    found = shadow(lake)
    assert (found.mirrored, found.production.p50_ms, found.agreement.share) == (0, None, 1.0)


def test_answers_of_another_length_are_unequal(lake: Lake, writer: Writer):
    mirror(writer, [1, 2], [1])
    found = shadow(lake)
    assert (found.sampled, found.unequal, found.agreement.instances) == (1, 1, 0)


def test_the_sample_is_bounded(lake: Lake, writer: Writer):
    for _ in range(5):
        mirror(writer, [0] * 4000, [0] * 4000)
    found = shadow(lake, sample=4)
    assert (found.answered, found.sampled, found.agreement.instances) == (5, 3, 10_000)
    with pytest.raises(CallError, match="1 to 10,000"):
        shadow(lake, sample=0)


def test_truth_is_given_for_both_predictions(lake: Lake, writer: Writer):
    first = mirror(writer, [{"price": 1.0}], [{"price": 2.0}], minute=0, unit="a")
    second = mirror(writer, [{"price": 3.0}], [{"price": 4.0}], minute=5, unit="a")
    writer.measure(7.0, minute=9, unit="a")
    writer.measure(8.0, minute=8, prediction_id=first)
    found = truth(lake)
    assert [(row.id, row.unit, row.value) for row in found] == [(second, "a", 7.0), (first, "a", 8.0)]
    assert (found[0].production, found[0].shadow, found[0].instances) == ([{"price": 3.0}], [{"price": 4.0}], [0])
    assert [row.id for row in truth(lake, most=1)] == [second]


def test_truth_needs_the_last_request_mirrored(lake: Lake, writer: Writer):
    mirror(writer, [1], [2], minute=0, unit="a")
    writer.predict("a", "none", minute=5)
    mirror(writer, [1], [2], unit="b", status=500)
    for unit in "ab":
        writer.measure(7.0, minute=9, unit=unit)
    writer.measure(7.0, minute=9, unit="a", metric="other")
    assert truth(lake) == []
