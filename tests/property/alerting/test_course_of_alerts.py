"""Whatever looks see: one open alert for each thing, one word when it opens, one when it is over, none in between."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from rung.alerting import Look, Sighting, course, rank

if TYPE_CHECKING:
    from rung.registry import Alert, Step

BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
QUIET_S = 900.0

sightings = st.builds(
    Sighting,
    kind=st.sampled_from(["drift", "errors"]),
    subject=st.sampled_from(["rooms", "area"]),
    service=st.just("housing"),
    major=st.just(1),
    minor=st.integers(0, 3),
    severity=st.sampled_from(["info", "warning", "critical"]),
    because=st.just("it moved"),
    scope=st.sampled_from(["recent", "day"]),
    opens=st.booleans(),
)


@dataclass
class Kept:
    """A registry in a list."""

    alerts: dict[int, Alert] = field(default_factory=dict)
    told: list[tuple[int, str]] = field(default_factory=list)

    def keep(self, steps: list[Step]) -> None:
        for step in steps:
            number = step.alert.id or len(self.alerts) + 1
            self.alerts[number] = replace(step.alert, id=number)
            if step.what in {"opened", "worse", "closed"}:
                self.told.append((number, step.what))

    @property
    def followed(self) -> list[Alert]:
        return [one for one in self.alerts.values() if one.closed is None or one.held]

    def close(self) -> None:
        """A person closes the oldest one that is open."""
        found = next((one for one in self.alerts.values() if one.closed is None), None)
        if found is not None:
            self.alerts[found.id] = replace(found, closed=BEGIN, held=True)
            self.told.append((found.id, "closed"))


looks = st.lists(
    st.tuples(st.lists(sightings, max_size=4), st.sets(st.sampled_from(["recent", "day"])), st.booleans()), max_size=30
)


@given(looks)
def test_alerts_open_once_and_close_once(told: list[tuple[list[Sighting], set[str], bool]]):
    kept = Kept()
    for number, (seen, scopes, closes) in enumerate(told):
        now = BEGIN + timedelta(minutes=5 * number)
        look = Look(now=now, judged={("housing", 1, scope) for scope in scopes}, sightings=tuple(seen))
        before = {one.id: one for one in kept.followed}
        kept.keep(course(kept.followed, look, quiet_s=lambda _: QUIET_S))
        keys = [one.key for one in kept.alerts.values() if one.closed is None]
        assert len(keys) == len(set(keys))
        for one in before.values():
            assert rank(kept.alerts[one.id].severity) >= rank(one.severity)
            if one.closed is None and kept.alerts[one.id].closed is not None:
                assert now - one.seen >= timedelta(seconds=QUIET_S)
        if closes:
            kept.close()
    for number in kept.alerts:
        words = [what for one, what in kept.told if one == number]
        assert words[0] == "opened"
        assert words.count("opened") == 1
        assert words.count("closed") <= 1
        assert words.count("worse") <= 2
        assert "closed" not in words[:-1]


@given(st.lists(sightings, min_size=1, max_size=6))
def test_look_seen_twice_opens_nothing_new(seen: list[Sighting]):
    kept = Kept()
    for _ in range(2):
        kept.keep(course(kept.followed, Look(now=BEGIN, judged=(), sightings=tuple(seen)), quiet_s=lambda _: 0))
    opening = {one.key for one in seen if one.opens}
    assert len(kept.alerts) == len(opening)
