"""Whatever waits: no quota is exceeded, no slot is idle for nothing, and nobody waits for ever."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rung.lifecycle import Team, Training, TurnFacts, take_turns

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NAMES = ("a", "b", "c")

limits = st.none() | st.integers(min_value=1, max_value=4)
team_sets = st.fixed_dictionaries({name: st.tuples(limits, st.booleans()) for name in NAMES}).map(
    lambda drawn: {name: Team(name=name, slots=slots, burst=burst) for name, (slots, burst) in drawn.items()}
)
asked = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(min_value=0, max_value=50)), max_size=12)


def trainings(drawn: list[tuple[str, int]], prefix: str) -> list[Training]:
    return [
        Training(name=f"{prefix}{number}", team=team, asked=NOW + timedelta(seconds=second))
        for number, (team, second) in enumerate(drawn)
    ]


facts = st.builds(
    TurnFacts,
    slots=limits,
    teams=team_sets,
    running=asked.map(lambda drawn: trainings(drawn[:4], "r")),
    waiting=asked.map(lambda drawn: trainings(drawn, "w")),
    ended=st.dictionaries(st.sampled_from(NAMES), st.integers(min_value=0, max_value=5)),
)


@given(facts)
def test_everyone_that_waits_gets_one_turn(found: TurnFacts) -> None:
    turns = take_turns(found)
    assert Counter(turn.training.name for turn in turns) == Counter(one.name for one in found.waiting)
    assert [turn.place for turn in turns if not turn.begins] == list(
        range(1, 1 + sum(not turn.begins for turn in turns))
    )


@given(facts)
def test_nothing_begins_beyond_the_slots(found: TurnFacts) -> None:
    begins = [turn.training for turn in take_turns(found) if turn.begins]
    if found.slots is not None and begins:
        assert len(found.running) + len(begins) <= found.slots
    held = Counter(one.team for one in (*found.running, *begins))
    for team in {one.team for one in begins}:
        quota = found.teams[team]
        assert quota.slots is None or quota.burst or held[team] <= quota.slots


@given(facts)
def test_no_slot_is_idle_while_somebody_may_have_it(found: TurnFacts) -> None:
    turns = take_turns(found)
    held = Counter(one.team for one in found.running) + Counter(turn.training.team for turn in turns if turn.begins)
    if found.slots is None or held.total() < found.slots:
        for turn in turns:
            team = found.teams[turn.training.team]
            assert turn.begins or (not team.burst and team.slots is not None and held[team.name] >= team.slots)


@given(facts)
def test_nobody_is_overtaken_in_their_own_team(found: TurnFacts) -> None:
    for team in NAMES:
        mine = [turn.training for turn in take_turns(found) if turn.training.team == team]
        assert mine == sorted(mine, key=lambda one: (one.asked, one.name))


@given(team_sets, st.integers(min_value=1, max_value=3), st.sampled_from(NAMES))
def test_nobody_waits_for_ever(teams: dict[str, Team], slots: int, team: str) -> None:
    """One training of a team against others that always have more waiting: it begins after a bounded number of them."""
    mine = Training(name="mine", team=team, asked=NOW)
    others = [name for name in NAMES if name != team]
    shares = {name: teams[name].slots or slots for name in NAMES}
    bound = sum(math.ceil(shares[name] / shares[team]) + 1 for name in others) + slots
    running: list[Training] = []
    ended: Counter[str] = Counter()
    for step in range(10 * bound):
        backlog = [Training(name=f"{name}{step}", team=name, asked=NOW + timedelta(seconds=step)) for name in others]
        found = TurnFacts(slots=slots, teams=teams, running=running, waiting=[mine, *backlog], ended=ended)
        begins = [turn.training for turn in take_turns(found) if turn.begins]
        if mine in begins:
            return
        running = [*running, *begins]
        assert sum(ended.values()) + len(running) <= bound
        if running:
            ended[running.pop(0).team] += 1
    raise AssertionError(f"{team} did not begin")
