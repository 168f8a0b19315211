"""What needs somebody, and each service at a glance, from rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rung.control.dashboard.pages.overview import needs_of, service_rows
from rung.control.dashboard.pages.service import live_shares, reigns_of
from rung.lifecycle import Split, SplitKind, State
from rung.registry import Count, Event, Experiment, Revision
from rung.schema import RevisionName

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def revision(name: str, state: State, *, hours: float = 0.0) -> Revision:
    return Revision(
        name=RevisionName.parse(name),
        state=state,
        reason=f"it is {state}",
        since=NOW - timedelta(hours=hours),
        created=NOW,
        actor="ada",
        run=name,
        commit=None,
        dirty=False,
        environment=None,
        warm_until=None,
        promoted=None,
    )


def event(kind: str, subject: str, *, hours: float = 0.0, **data: Any) -> Event:
    time = NOW - timedelta(hours=hours)
    return Event(id=1, time=time, kind=kind, subject=subject, actor="rung", because=f"{kind} of it", data=data)


def experiment(challenger: str, *, outcome: str | None = None) -> Experiment:
    name = RevisionName.parse(challenger)
    incumbent = RevisionName(service=name.service, major=name.major, minor=1)
    shares = {challenger: 0.25, str(incumbent): 0.75}
    split = Split(since=NOW, applied=NOW, kind=SplitKind.START, shares=shares, because="as declared", actor="rung")
    look = None if outcome is None else {"outcome": outcome, "progress": "invalid: too few units"}
    return Experiment(
        id=f"{challenger}-1",
        promotion=1,
        incumbent=incumbent,
        challenger=name,
        design={},
        started=NOW,
        ended=NOW,
        look=look,
        splits=(split,),
    )


def told(**given: Any) -> list[tuple[str, str]]:
    facts: dict[str, Any] = {"watched": [], "newest": [], "experiments": [], "built": {}, "sized": {}, **given}
    found = needs_of(
        facts["watched"], facts["newest"], facts["experiments"], built=facts["built"], sized=facts["sized"]
    )
    return [(need.what, need.subject) for need in found]


def test_nothing_needs_nobody():
    assert told(watched=[revision("a.v1.m1", State.INCUMBENT)], newest=[revision("a.v1.m1", State.INCUMBENT)]) == []


def test_approvals_come_first_and_the_longest_waiting_before_others():
    waiting = [revision(f"{name}.v1.m2", State.AWAITING_APPROVAL, hours=hours) for name, hours in (("a", 1), ("b", 9))]
    failed = [revision("c.v1.m3", State.FAILED, hours=40)]
    assert told(watched=waiting, newest=failed) == [
        ("approval", "b.v1.m2"),
        ("approval", "a.v1.m2"),
        ("failed", "c.v1.m3"),
    ]


@pytest.mark.parametrize(("outcome", "needs"), [("invalid", 1), ("better", 0), (None, 0)])
def test_invalid_test_of_the_newest_revision_needs_somebody(outcome: str | None, needs: int):
    newest = [revision("a.v1.m2", State.TORN_DOWN)]
    assert len(told(newest=newest, experiments=[experiment("a.v1.m2", outcome=outcome)])) == needs


def test_invalid_test_that_was_followed_by_another_revision_does_not():
    newest = [revision("a.v1.m3", State.CANDIDATE)]
    assert told(newest=newest, experiments=[experiment("a.v1.m2", outcome="invalid")]) == []


def test_server_in_trouble_needs_somebody():
    watched = [revision("a.v1.m1", State.INCUMBENT), revision("a.v1.m2", State.CANDIDATE)]
    built = {"a.v1.m1": event("environment", "a.v1.m1", failures=2)}
    sized = {
        "a.v1.m2": event("memory", "a.v1.m2", is_above=True),
        "a.v1.m1": event("memory", "a.v1.m1", is_above=False),
    }
    assert told(watched=watched, built=built, sized=sized) == [("server", "a.v1.m1"), ("server", "a.v1.m2")]


def test_services_tell_who_answers_and_what_is_on_its_way():
    counts = [
        Count(service="a", state="candidate", number=3, since=NOW),
        Count(service="b", state="failed", number=1, since=NOW),
    ]
    watched = [revision("a.v1.m1", State.INCUMBENT), revision("a.v1.m2", State.EXPERIMENTING)]
    one, other = service_rows(counts, watched, [experiment("a.v1.m2")])
    (major,) = one.majors
    assert (str(major.incumbent.name), major.shares["a.v1.m2"]) == ("a.v1.m1", 0.25)
    assert [str(found.name) for found in major.under_way] == ["a.v1.m2"]
    assert (other.majors, other.revisions) == ((), 1)


def test_reigns_follow_each_other():
    events = [
        event("incumbent", "a.v1.m1", hours=9),
        event("retired", "a.v1.m1", hours=5),
        event("incumbent", "a.v1.m2", hours=5),
        event("retired", "a.v1.m2", hours=2),
        event("incumbent", "a.v1.m1", hours=2),
    ]
    found = [(reign["revision"], reign["until"]) for reign in reigns_of(events)]
    times = [NOW - timedelta(hours=hours) for hours in (5, 2)]
    assert found == [("a.v1.m1", times[0]), ("a.v1.m2", times[1]), ("a.v1.m1", None)]


def test_traffic_of_a_major_without_an_incumbent_is_nobodys():
    assert live_shares({"incumbent": None}) == {}
