from __future__ import annotations

import itertools

import pytest

from rung import lifecycle
from rung.errors import ConflictError
from rung.lifecycle import MOVES, SERVED, State, check_move

LEGAL = {
    *[("training", "trained"), ("training", "failed"), ("trained", "deploying")],
    *[("deploying", "candidate"), ("deploying", "failed")],
    *[("candidate", "testing"), ("candidate", "on_hold"), ("candidate", "torn_down")],
    *[("testing", "shadowing"), ("testing", "experimenting"), ("testing", "incumbent"), ("testing", "torn_down")],
    *[("testing", "awaiting_approval"), ("awaiting_approval", "shadowing"), ("awaiting_approval", "experimenting")],
    *[("awaiting_approval", "incumbent"), ("awaiting_approval", "torn_down")],
    *[("shadowing", "experimenting"), ("shadowing", "incumbent"), ("shadowing", "torn_down")],
    *[("experimenting", "incumbent"), ("experimenting", "torn_down")],
    *[("incumbent", "retired"), ("retired", "incumbent")],
    *[("torn_down", "candidate"), ("on_hold", "candidate"), ("on_hold", "torn_down")],
}
PAIRS = list(itertools.product(State, State))


@pytest.mark.parametrize(("now", "to"), PAIRS, ids=[f"{now} to {to}" for now, to in PAIRS])
def test_moves_are_those_of_the_design(now: State, to: State):
    if (now, to) in LEGAL:
        check_move("housing.v1.m1", now, to)
    else:
        with pytest.raises(ConflictError, match=rf"^housing\.v1\.m1 is {now} and cannot become {to}: \S"):
            check_move("housing.v1.m1", now, to)


def test_every_state_has_its_moves():
    assert set(MOVES) == set(State)


def test_table_cannot_be_changed():
    with pytest.raises(TypeError):
        MOVES[State.FAILED] = frozenset(State)


def test_every_state_is_reached():
    reached, queue = set(), [State.TRAINING]
    while queue:
        state = queue.pop()
        if state not in reached:
            reached.add(state)
            queue.extend(MOVES[state])
    assert reached == set(State)


def test_traffic_comes_through_testing_or_rollback():
    before = {state for state, moves in MOVES.items() if State.INCUMBENT in moves}
    assert before == {
        State.TESTING,
        State.AWAITING_APPROVAL,
        State.SHADOWING,
        State.EXPERIMENTING,
        State.RETIRED,
    }


def test_every_served_state_can_end():
    ends = {State.TORN_DOWN, State.FAILED, State.RETIRED}
    for state in SERVED:
        assert MOVES[state] & (ends | SERVED - {state})


def test_states_with_servers_are_those_between():
    assert set(State) - SERVED == {State.TRAINING, State.TRAINED, State.FAILED, State.RETIRED, State.TORN_DOWN}


def test_exports_are_there():
    assert all(hasattr(lifecycle, name) for name in lifecycle.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lifecycle.nothing  # noqa: B018  the look-up is what is tested
