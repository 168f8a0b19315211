"""What of the platform's health, of promises and of outcomes is worth an alert."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from rung.alerting import SEVERITIES, Health, Outcomes, Promised, Sighting, Unready, judge_outcomes, judge_promises
from rung.alerting import judge_health as judge
from rung.alerting._sighting import NEXT
from rung.registry import Event
from rung.schema import RevisionName
from rung.settings import AlertKind, Alerts, Rules

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
M2 = RevisionName(service="housing", major=1, minor=2)
WELL = Health(
    now=NOW,
    unready=(),
    verdicts=(),
    overuse=(),
    idle=(),
    free_bytes=10 << 30,
    certificates=(("a.pem", NOW.replace(year=2027)),),
)


def health(**changes: Any) -> list[Sighting]:
    return judge(replace(WELL, **changes), lambda _: Rules(), Alerts())


def event(because: str, ago: timedelta = timedelta(minutes=5), **data: Any) -> Event:
    return Event(id=1, time=NOW - ago, kind="verdict", subject=str(M2), actor="rung", because=because, data=data)


def test_every_kind_has_a_severity_and_a_command():
    assert set(get_args(AlertKind)) == SEVERITIES.keys() == NEXT.keys()


def test_platform_that_is_well_raises_nothing():
    assert health() == []


@pytest.mark.parametrize(("seconds", "found"), [(30, []), (61, ["critical"])])
def test_server_may_be_away_for_a_moment(seconds: int, found: list[str]):
    away = Unready(name=M2, since=NOW - timedelta(seconds=seconds), because="it does not answer", is_incumbent=True)
    assert [one.severity for one in health(unready=(away,))] == found


def test_challenger_that_is_away_is_no_disaster():
    away = Unready(name=M2, since=NOW - timedelta(hours=1), because="it does not answer", is_incumbent=False)
    (one,) = health(unready=(away,))
    assert (one.severity, one.because) == ("warning", f"{M2} has not answered for 1 h: it does not answer")


def test_gateway_that_is_away_concerns_the_platform():
    (one,) = health(unready=(Unready(name=None, since=NOW - timedelta(hours=1), because="gone", is_incumbent=False),))
    assert (one.service, one.subject, one.severity, one.next) == ("*", "gateway", "critical", "rung doctor")


def test_gate_that_says_nothing_is_told_for_a_day():
    verdict = event("too few rows", gate="data", kind="inconclusive")
    (one,) = health(verdicts=(verdict,))
    assert (one.kind, one.subject, one.next) == ("gate", "m2 data", f"rung why {M2}")
    assert health(verdicts=(replace(verdict, time=NOW - timedelta(days=2)),)) == []
    assert health(verdicts=(event("it is worse", gate="data", kind="fail"),)) == []


def test_invalid_ab_test_is_more_than_an_undecided_one():
    (one,) = health(verdicts=(event("invalid: units are lost", gate="experiment", kind="inconclusive"),))
    assert (one.kind, one.severity, one.next) == ("experiment", "warning", "rung ab plot housing.v1")
    (other,) = health(verdicts=(event("undecided at its deadline", gate="experiment", kind="inconclusive"),))
    assert (other.kind, other.severity) == ("gate", "info")


def test_memory_and_idleness_are_told():
    grown = event("its server has come to take 3 GiB")
    found = health(overuse=(grown,), idle=((M2, NOW - timedelta(days=8)),))
    assert [(one.kind, one.subject) for one in found] == [("overuse", "m2 memory"), ("idle", "m2")]
    assert found[1].because == f"nobody has asked {M2} for 8 d"


@pytest.mark.parametrize(("gib", "found"), [(2.1, []), (1.9, ["warning"]), (0.4, ["critical"])])
def test_disk_that_is_nearly_full(gib: float, found: list[str]):
    assert [one.severity for one in health(free_bytes=int(gib * (1 << 30)))] == found


@pytest.mark.parametrize(("days", "found"), [(22, []), (20, ["warning"]), (2, ["critical"]), (-1, ["critical"])])
def test_certificate_that_ends(days: int, found: list[str]):
    assert [one.severity for one in health(certificates=(("a.pem", NOW + timedelta(days=days)),))] == found


def test_rules_that_are_off_are_not_judged():
    found = judge(replace(WELL, idle=((M2, NOW),)), lambda _: Rules(off=["idle"]), Alerts())
    assert found == []


def test_dataset_that_is_older_than_promised():
    kept = Promised(dataset="houses", age_s=3_599, promised_s=3_600, owner="ada")
    assert judge_promises([kept]) == []
    (one,) = judge_promises([replace(kept, age_s=7_200)])
    assert (one.subject, one.owner, one.scope) == ("houses", "ada", "data")
    assert one.because == "the newest version of houses is 2 h old; one was promised every 1 h"


def outcomes(**changes: int) -> Sighting | None:
    counts = {"now": 1_000, "requests": 2_000, "before": 7_000, "requests_before": 14_000, **changes}
    return judge_outcomes(Outcomes(service="housing", metric="sold", **counts), Rules(), alpha=1e-5)


def test_as_many_outcomes_as_before_are_well():
    assert outcomes() is None
    assert outcomes(now=700) is None


def test_half_of_the_outcomes_may_not_stay_away():
    found = outcomes(now=300)
    assert found is not None
    assert found.because == ("300 outcomes of sold came in within a day; of 2,000 requests 1,000 did the week before")


@pytest.mark.parametrize(
    "changes", [{"requests": 0}, {"requests_before": 0}, {"requests": 100, "now": 0}, {"before": 0}]
)
def test_too_little_to_say_anything_about_outcomes(changes: dict[str, int]):
    assert outcomes(**changes) is None
