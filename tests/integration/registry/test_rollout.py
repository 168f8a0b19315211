"""Splits, arms and shadows on a real file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rung.errors import ConflictError
from rung.lifecycle import Gate, SplitKind, State, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from rung.registry import Promotion, Registry
    from rung.schema import RevisionName

DESIGN: dict[str, Any] = {"share": 0.5, "metrics": []}
BANDIT: dict[str, Any] = {"bandit": {"interval": "PT1M"}, "metrics": []}


def halves(*names: RevisionName) -> dict[str, float]:
    return {str(name): 1 / len(names) for name in names}


@pytest.fixture
def joint(registry: Registry, candidate: Callable) -> Callable[[], Promotion]:
    def begin() -> Promotion:
        identity = registry.begin_promotion(candidate(), actor="ada", joint=True)
        return next(one for one in registry.promotions() if one.id == identity)

    return begin


def test_every_split_is_kept(registry: Registry, crowned: Callable, candidate: Callable, attempt: Callable):
    incumbent, challenger = crowned(), candidate()
    registry.begin_experiment(
        attempt(challenger), incumbent, design=DESIGN, shares={str(challenger): 0.1, str(incumbent): 0.9}
    )
    (begun,) = registry.experiments()
    registry.split(begun, halves(challenger, incumbent), kind=SplitKind.RAMP, because="it goes well", actor="rung")
    (grown,) = registry.experiments(active_only=True)
    assert [(split.kind, split.shares[str(challenger)]) for split in grown.splits] == [("start", 0.1), ("ramp", 0.5)]
    assert grown.shares == halves(challenger, incumbent)
    assert registry.events()[-1].because == "it goes well"


def test_split_counts_from_when_it_was_applied(
    registry: Registry, crowned: Callable, candidate: Callable, attempt: Callable
):
    incumbent, challenger = crowned(), candidate()
    registry.begin_experiment(attempt(challenger), incumbent, design=DESIGN, shares=halves(challenger, incumbent))
    begun = registry.experiments(active_only=True)
    assert begun[0].splits[0].applied is None
    registry.split(begun[0], halves(challenger, incumbent), kind=SplitKind.RAMP, because="", actor="rung")
    registry.mark_applied(begun)  # what was routed meanwhile is the first split, not the second
    (first, second) = registry.experiments()[0].splits
    assert first.applied is not None
    assert first.applied >= first.since
    assert second.applied is None


def test_ended_experiment_is_split_no_more(
    registry: Registry, crowned: Callable, candidate: Callable, attempt: Callable
):
    incumbent, challenger = crowned(), candidate()
    promotion = attempt(challenger)
    registry.begin_experiment(promotion, incumbent, design=DESIGN, shares=halves(challenger, incumbent))
    registry.reject(promotion, because="it is worse")
    (ended,) = registry.experiments()
    with pytest.raises(ConflictError, match="has ended"):
        registry.split(ended, {}, kind=SplitKind.RAMP, because="", actor="rung")


def test_course_of_a_test_is_kept(registry: Registry, crowned: Callable, candidate: Callable, attempt: Callable):
    incumbent, challenger = crowned(), candidate()
    identity = registry.begin_experiment(
        attempt(challenger), incumbent, design=DESIGN, shares=halves(challenger, incumbent)
    )
    for units in range(4):
        registry.keep_look(identity, {"units": units}, for_ever=units % 2 == 0)
    assert [look["units"] for look in registry.looks(identity)] == [0, 2]
    assert registry.experiments()[0].look == {"units": 3}


def test_joint_attempts_run_side_by_side(registry: Registry, joint: Callable, candidate: Callable):
    joint(), joint()
    with pytest.raises(ConflictError, match="is under way"):
        registry.begin_promotion(candidate(), actor="ada")


def test_ordinary_attempt_is_alone(registry: Registry, candidate: Callable, attempt: Callable):
    attempt(candidate())
    with pytest.raises(ConflictError, match="is under way"):
        registry.begin_promotion(candidate(), actor="ada", joint=True)


def test_arm_that_leaves_is_shared_out(registry: Registry, crowned: Callable, joint: Callable):
    incumbent, first, second = crowned(), joint(), joint()
    registry.begin_experiment(first, incumbent, design=BANDIT, shares=halves(first.revision, incumbent))
    (begun,) = registry.experiments()
    names = (first.revision, second.revision, incumbent)
    assert registry.experiment_of(second) is None
    registry.join_experiment(second, begun, shares=halves(*names))
    joined = registry.experiment_of(second)
    assert joined is not None
    assert (joined.id, joined.attempts) == (begun.id, (first.id, second.id))
    registry.reject(first, because="it fails")
    (left,) = registry.experiments(active_only=True)
    assert left.attempts == (first.id, second.id)
    assert left.shares == halves(second.revision, incumbent)
    registry.reject(second, because="it fails, too")
    assert registry.experiments(active_only=True) == []


def test_winner_ends_the_bandit(registry: Registry, crowned: Callable, joint: Callable, in_an_hour: datetime):
    incumbent, first, second = crowned(), joint(), joint()
    registry.begin_experiment(first, incumbent, design=BANDIT, shares=halves(first.revision, incumbent))
    registry.join_experiment(second, registry.experiments()[0], shares=halves(second.revision, incumbent))
    won = Verdict(gate=Gate.EXPERIMENT, kind=VerdictKind.PASS, because="it is the best")
    lost = Verdict(gate=Gate.EXPERIMENT, kind=VerdictKind.FAIL, because="another is the best")
    registry.add_verdicts([(first, lost), (second, won)])
    registry.crown(second, because="it is the best", warm_until=in_an_hour)
    assert registry.experiments(active_only=True) == []
    registry.reject(first, because="another is the best")
    assert [one.verdicts[-1].kind for one in registry.promotions()[-2:]] == ["fail", "pass"]


def test_shadow_has_one_share_at_a_time(registry: Registry, candidate: Callable):
    name, until = candidate(), datetime.now(UTC) + timedelta(hours=2)
    registry.begin_shadow(name, 0.1, until=None, actor="ada")
    registry.begin_shadow(name, 0.4, until=until, actor="ada")
    (running,) = registry.shadows(active_only=True)
    assert (running.revision, running.share, running.until, running.actor) == (name, 0.4, until, "ada")
    assert len(registry.shadows("housing")) == 2
    registry.end_shadow(name, because="enough", actor="ada")
    registry.end_shadow(name, because="enough", actor="ada")
    assert registry.shadows(active_only=True) == []
    assert [event.because for event in registry.events()].count("enough") == 1


def test_only_candidates_are_shadows(registry: Registry, crowned: Callable):
    incumbent = crowned()
    with pytest.raises(ConflictError, match="only a candidate can be a shadow"):
        registry.begin_shadow(incumbent, 0.1, until=None, actor="ada")


def test_shadow_ends_with_its_candidate(registry: Registry, candidate: Callable):
    name = candidate()
    registry.begin_shadow(name, 0.1, until=None, actor="ada")
    registry.move(name, State.TORN_DOWN, because="not needed", actor="ada")
    assert registry.shadows(active_only=True) == []


def test_shadowing_is_a_gate(registry: Registry, crowned: Callable, candidate: Callable, attempt: Callable):
    crowned()
    promotion = attempt(candidate())
    registry.begin_shadowing(promotion, share=0.2, because="production is mirrored to it")
    assert registry.revision(promotion.revision).state is State.SHADOWING
    assert registry.promotions()[-1].gate == Gate.SHADOW
    assert [shadow.share for shadow in registry.shadows(active_only=True)] == [0.2]
