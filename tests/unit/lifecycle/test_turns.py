"""Which training begins next."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from rung.lifecycle import Team, Training, TurnFacts, take_turns

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def trainings(team: str, *asked: int) -> list[Training]:
    return [Training(name=f"{team}{second}", team=team, asked=NOW + timedelta(seconds=second)) for second in asked]


def teams(**slots: int | None) -> dict[str, Team]:
    return {name: Team(name=name, slots=most) for name, most in slots.items()}


def begun(facts: TurnFacts) -> list[str]:
    return [turn.training.name for turn in take_turns(facts) if turn.begins]


def test_without_a_limit_all_begin() -> None:
    facts = TurnFacts(slots=None, teams=teams(a=None), waiting=trainings("a", 1, 2, 3))
    assert begun(facts) == ["a1", "a2", "a3"]


def test_the_first_asked_comes_first_in_a_team() -> None:
    facts = TurnFacts(slots=1, teams=teams(a=None), waiting=trainings("a", 3, 1, 2))
    assert [(turn.training.name, turn.place) for turn in take_turns(facts)] == [("a1", 0), ("a2", 1), ("a3", 2)]


def test_teams_take_turns() -> None:
    waiting = trainings("a", 1, 2, 3) + trainings("b", 4, 5)
    facts = TurnFacts(slots=1, teams=teams(a=None, b=None), running=trainings("a", 0), waiting=waiting)
    assert [turn.training.name for turn in take_turns(facts)] == ["b4", "a1", "b5", "a2", "a3"]
    assert {turn.because for turn in take_turns(facts)} == {"all 1 training slots are taken"}


def test_shares_follow_the_slots_of_teams() -> None:
    waiting = trainings("a", *range(60)) + trainings("b", *range(60))
    turns = take_turns(TurnFacts(slots=1, teams=teams(a=2, b=1), waiting=waiting))
    assert Counter(turn.training.team for turn in turns[:30]) == {"a": 20, "b": 10}


def test_what_a_team_used_before_counts() -> None:
    waiting = trainings("a", 1) + trainings("b", 2)
    facts = TurnFacts(slots=1, teams=teams(a=None, b=None), waiting=waiting, ended={"a": 1})
    assert begun(facts) == ["b2"]


def test_a_team_with_all_its_slots_waits_for_its_own() -> None:
    facts = TurnFacts(slots=4, teams=teams(a=1), running=trainings("a", 0), waiting=trainings("a", 1))
    [turn] = take_turns(facts)
    assert (turn.place, turn.because) == (1, "the team a has its 1 slots")


def test_a_team_may_burst_while_nobody_else_waits() -> None:
    known = {"a": Team(name="a", slots=1, burst=True), "b": Team(name="b", slots=1)}
    alone = TurnFacts(slots=3, teams=known, running=trainings("a", 0), waiting=trainings("a", 1, 2, 3))
    assert begun(alone) == ["a1", "a2"]
    beside = TurnFacts(slots=2, teams=known, running=trainings("a", 0), waiting=trainings("a", 1) + trainings("b", 9))
    assert begun(beside) == ["b9"]
