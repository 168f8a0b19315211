from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rung.errors import CallError
from rung.lake import BanditArm

if TYPE_CHECKING:
    from conftest import Writer
    from rung.lake import Lake

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rewards(lake: Lake, *columns: str) -> list[Any]:
    lake.ship()
    return lake.rewards("e1", metric="sold", since=START).select(columns).rows()


def test_a_reward_belongs_to_the_last_assignment_before_it(lake: Lake, writer: Writer):
    writer.predict("a", "m1", minute=0, id="p1", propensity=0.75, revision="housing.v1.m1")
    writer.predict("a", "m3", minute=5, id="p2", propensity=0.25, revision="housing.v1.m3")
    writer.measure(1.0, minute=4, unit="a")
    writer.measure(2.0, minute=9, unit="a")
    writer.measure(9.0, minute=-1, unit="a")
    found = rewards(lake, "id", "arm", "revision", "propensity", "reward", "outcomes", "time")
    assert found == [
        ("p1", "m1", "housing.v1.m1", 0.75, 1.0, 1, START),
        ("p2", "m3", "housing.v1.m3", 0.25, 2.0, 1, START + timedelta(minutes=5)),
    ]


def test_a_reward_of_a_prediction_belongs_to_it(lake: Lake, writer: Writer):
    first = writer.predict("a", "m1", minute=0)
    writer.predict("a", "m3", minute=5)
    writer.measure(1.0, minute=9, prediction_id=first)
    writer.measure(1.0, minute=9, prediction_id=first, unit="a", id="k")
    assert rewards(lake, "id", "reward", "outcomes") == [(first, 1.0, 2)]


def test_copies_and_strangers_get_no_reward(lake: Lake, writer: Writer):
    name = writer.predict("a", "m1", minute=0)
    writer.predict("a", "m1", minute=1, id=name, kind="shadow", revision="housing.v1.m5")
    writer.predict("a", "none", minute=2)
    writer.predict("a", "m2", minute=2, experiment="e2")
    for _ in range(2):
        writer.measure(3.0, minute=9, unit="a", id="once")
    writer.measure(3.0, minute=9, unit="b")
    writer.measure(3.0, minute=9, unit="a", metric="other")
    assert rewards(lake, "id", "arm", "revision", "reward", "outcomes") == [(name, "m1", "housing.v1.m1", 3.0, 1)]


def test_units_count_once_per_arm(lake: Lake, writer: Writer):
    for minute in range(3):
        writer.predict("a", "m1", minute=minute)
        writer.measure(float(minute), minute=minute + 0.5, unit="a")
    writer.predict("b", "m1", minute=0)
    writer.measure(5.0, minute=1, unit="b")
    writer.predict("a", "m2", minute=5)
    writer.predict("c", "m3", minute=5)
    writer.measure(4.0, minute=6, unit="a")
    lake.ship()
    assert lake.bandit_arms("e1", metric="sold", since=START) == {
        "m1": BanditArm(requests=4, exposed=2, units=2, n=2, y=6, yy=26),
        "m2": BanditArm(requests=1, exposed=1, units=1, n=1, y=4, yy=16),
        "m3": BanditArm(requests=1, exposed=1),
    }


def test_old_rewards_weigh_less(lake: Lake, writer: Writer):
    for unit, minute in (("a", 0), ("b", 60)):
        writer.predict(unit, "m1", minute=minute)
        writer.measure(2.0, minute=minute, unit=unit)
    lake.ship()
    now = START + timedelta(hours=2)
    found = lake.bandit_arms("e1", metric="sold", since=START, discount=0.5, now=now)["m1"]
    assert (found.n, found.y, found.yy) == pytest.approx((0.75, 1.5, 3.0))
    assert lake.bandit_arms("e1", metric="sold", since=START, discount=0.5, now=START)["m1"].n == 2


@pytest.mark.parametrize("discount", [0.0, 1.5])
def test_a_discount_is_a_share(lake: Lake, discount: float):
    with pytest.raises(CallError, match="discount"):
        lake.bandit_arms("e1", metric="sold", since=START, discount=discount)


def test_no_traffic_gives_no_arm(lake: Lake):
    assert lake.bandit_arms("e1", metric="sold", since=START) == {}
    assert lake.rewards("e1", metric="sold", since=START).is_empty()
