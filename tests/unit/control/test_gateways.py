from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from rung.control.gateways import AWAY_S, STUCK_S, Gateways, Report, Standing, standing
from rung.errors import ConflictError, GatewayError, NotFoundError
from rung.gateway import Backend, Routing, Traffic, version_of

FIRST = Routing(backends=(Backend(revision="housing.v1.m1", endpoints=("127.0.0.1:9000",)),))
SECOND = Routing(backends=(Backend(revision="housing.v1.m2", endpoints=("127.0.0.1:9001",)),))
BERLIN = Report(instance="a", release="1", url="http://berlin:4780", applied=version_of(FIRST), requests={"x": 3})


@dataclass
class Events:
    """The registry's events about gateways, in memory."""

    kept: dict[str, Any] = field(default_factory=dict)

    def check_lead(self) -> None:
        """Nobody else leads."""

    def latest(self, kind: str) -> dict[str, Any]:
        assert kind == "gateway"
        return self.kept

    def record_event(self, kind: str, subject: str, *, because: str, actor: str, **data: Any) -> None:
        assert kind == "gateway"
        self.kept[subject] = SimpleNamespace(because=because, actor=actor, data=data)


class Own:
    """The control plane's own gateway, which does not run."""

    def requests(self) -> dict[str, int]:
        raise GatewayError("it does not run")


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def gateways(events: Events, clock: Clock) -> Gateways:
    made = Gateways(registry=events, own=Own(), clock=clock)  # type: ignore[arg-type]
    made.want(FIRST)
    return made


def hear(gateways: Gateways, report: Report = BERLIN, name: str = "berlin"):
    return gateways.report(name, report, actor="token:berlin")


@pytest.mark.parametrize(
    ("silent_s", "behind_s", "found"),
    [
        (0.5, None, Standing.READY),
        (0.5, 3.0, Standing.BEHIND),
        (0.5, STUCK_S + 1, Standing.STUCK),
        (AWAY_S + 1, None, Standing.AWAY),
        (AWAY_S + 1, STUCK_S + 1, Standing.AWAY),
    ],
)
def test_standing_is_what_is_waited_for(silent_s: float, behind_s: float | None, found: Standing):
    assert standing(silent_s=silent_s, behind_s=behind_s) is found


def test_alone_nobody_is_waited_for(gateways: Gateways):
    assert gateways.have(FIRST)


def test_routing_is_given_until_it_is_applied(gateways: Gateways):
    version, document = hear(gateways, replace(BERLIN, applied=""))
    assert version == version_of(FIRST)
    assert document is not None
    assert not gateways.are_settled()
    assert hear(gateways) == (version, None)
    assert gateways.are_settled()


def test_change_is_waited_for(gateways: Gateways):
    hear(gateways)
    gateways.want(SECOND)
    assert not gateways.have(SECOND)
    hear(gateways, replace(BERLIN, applied=version_of(SECOND)))
    assert gateways.have(SECOND)


def test_silent_gateway_is_waited_for_no_more_and_named(gateways: Gateways, events: Events, clock: Clock):
    hear(gateways)
    gateways.want(SECOND)
    clock.now += AWAY_S + 1
    gateways.look()
    assert gateways.are_settled()
    ((name, _, because),) = gateways.unwell()
    assert (name, "not heard from" in because, "servers that are stopped" in because) == ("berlin", True, True)
    assert events.kept["@berlin"].data["what"] == "away"
    hear(gateways)
    assert events.kept["@berlin"].data["what"] == "joined"
    assert not gateways.are_settled()


def test_gateway_that_takes_no_change_is_named_with_its_reason(gateways: Gateways, clock: Clock):
    hear(gateways)
    gateways.want(SECOND)
    for _ in range(9):
        clock.now += AWAY_S - 1
        hear(gateways, replace(BERLIN, problem="it reaches no socket of another machine"))
    assert gateways.are_settled()
    ((name, _, because),) = gateways.unwell()
    assert name == "berlin"
    assert because.startswith("it reaches no socket of another machine")


def test_next_control_plane_waits_for_the_same_gateways(gateways: Gateways, events: Events, clock: Clock):
    hear(gateways)
    follower = Gateways(registry=events, own=Own(), clock=clock)  # type: ignore[arg-type]
    follower.want(FIRST)
    assert not follower.are_settled()
    hear(follower)
    assert follower.are_settled()


def test_two_gateways_have_two_names(gateways: Gateways, clock: Clock):
    hear(gateways)
    with pytest.raises(ConflictError, match="another gateway berlin is heard from"):
        hear(gateways, replace(BERLIN, instance="b"))
    clock.now += AWAY_S + 1
    hear(gateways, replace(BERLIN, instance="b"))


def test_forgotten_gateway_is_not_waited_for(gateways: Gateways, events: Events):
    hear(gateways, replace(BERLIN, applied=""))
    gateways.forget("berlin", because="its machine is gone", actor="ada")
    assert gateways.are_settled()
    assert events.kept["@berlin"].data["what"] == "left"
    with pytest.raises(NotFoundError, match="there is no gateway 'berlin'"):
        gateways.forget("berlin", because="again", actor="ada")


def test_what_is_shown_names_every_gateway(gateways: Gateways):
    hear(gateways)
    own, berlin = gateways.shown()
    assert (own["name"], own["standing"], own["because"]) == ("own", Standing.AWAY, "it does not run")
    assert (berlin["standing"], berlin["requests"], berlin["lag_s"]) == (Standing.READY, 3, 0.0)


def test_what_is_in_flight_adds_up_over_those_that_are_heard_from(gateways: Gateways, clock: Clock):
    class Answering(Own):
        def traffic(self) -> dict[str, Traffic]:
            return {"x": Traffic(in_flight=2, requests=5, ready=3)}

    gateways.own = Answering()  # type: ignore[assignment]  # it is asked for nothing else
    gateways.report("berlin", replace(BERLIN, in_flight={"x": 4, "y": 1}), actor="b")
    assert gateways.traffic() == {
        "x": Traffic(in_flight=6, requests=8, ready=3),
        "y": Traffic(in_flight=1, requests=0, ready=0),
    }
    clock.now += AWAY_S + 1
    assert gateways.traffic() == {"x": Traffic(in_flight=2, requests=5, ready=3)}
