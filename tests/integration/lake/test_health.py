from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from rung.lake import Health

if TYPE_CHECKING:
    from conftest import Writer
    from rung.lake import Lake

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("lake", ["folder", "s3"], indirect=True)
def test_arms_are_told_apart(lake: Lake, writer: Writer):
    for number in range(4):
        writer.predict(f"i{number}", "incumbent", duration_ms=10.0 + number)
    writer.predict("c", "challenger", status=500, duration_ms=900.0)
    writer.predict("c", "challenger", status=422, duration_ms=1.0)
    lake.ship()
    found = lake.health("e1", since=START, slow_ms=100)
    assert found["incumbent"] == Health(requests=4, p50_ms=11.5, p99_ms=pytest.approx(12.97, rel=1e-6))
    challenger = found["challenger"]
    assert (challenger.requests, challenger.errors, challenger.slow) == (2, 1, 1)
    assert (challenger.error_share, challenger.slow_share, challenger.fallback_share) == (0.5, 0.5, 0)


def test_what_the_incumbent_answered_fell_back(lake: Lake, writer: Writer):
    writer.predict("i", "incumbent")
    for _ in range(3):
        writer.predict("c", "challenger", revision="housing.v1.m1")
    writer.predict("c", "challenger")
    lake.ship()
    found = lake.health("e1", since=START)
    assert (found["challenger"].fallback, found["challenger"].fallback_share) == (3, 0.75)
    assert found["incumbent"].fallback == 0


def test_a_challenger_alone_did_not_fall_back(lake: Lake, writer: Writer):
    writer.predict("c", "challenger")
    lake.ship()
    assert lake.health("e1", since=START)["challenger"].fallback == 0


def test_named_arms_are_at_home_in_their_revision(lake: Lake, writer: Writer):
    for arm, revision in (("m1", 1), ("m2", 2), ("m2", 1), ("m3", 3)):
        writer.predict("u", arm, revision=f"housing.v1.m{revision}")
    lake.ship()
    found = lake.health("e1", since=START)
    assert {arm: (health.requests, health.fallback) for arm, health in found.items()} == {
        "m1": (1, 0),
        "m2": (2, 1),
        "m3": (1, 0),
    }


def test_looks_go_on_with_what_is_new(lake: Lake, writer: Writer):
    for number in range(1, 4):
        writer.predict("c", "challenger", minute=number)
        lake.ship()
        assert lake.health("e1", since=START)["challenger"].requests == number
    assert lake.health("e1", since=START.replace(minute=2))["challenger"].requests == 2
    fresh = type(lake)(lake.root)
    assert fresh.health("e1", since=START) == lake.health("e1", since=START)


def test_shadows_and_older_requests_do_not_count(lake: Lake, writer: Writer):
    writer.predict("c", "challenger", minute=-1)
    writer.predict("c", "challenger", kind="shadow")
    writer.predict("c", "none")
    writer.predict("c", None)
    writer.predict("c", "challenger", experiment="e2")
    lake.ship()
    assert lake.health("e1", since=START) == {}
