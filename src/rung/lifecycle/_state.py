"""The states of a revision and the one table of their moves; docs draw the picture from it."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from rung.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """Where a revision is in its life."""

    TRAINING = "training"
    TRAINED = "trained"
    FAILED = "failed"
    DEPLOYING = "deploying"
    CANDIDATE = "candidate"
    TESTING = "testing"
    AWAITING_APPROVAL = "awaiting_approval"
    SHADOWING = "shadowing"
    EXPERIMENTING = "experimenting"
    INCUMBENT = "incumbent"
    RETIRED = "retired"
    TORN_DOWN = "torn_down"
    ON_HOLD = "on_hold"


MOVES: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.TRAINING: frozenset({State.TRAINED, State.FAILED}),
        State.TRAINED: frozenset({State.DEPLOYING}),
        State.FAILED: frozenset(),
        State.DEPLOYING: frozenset({State.CANDIDATE, State.FAILED}),
        State.CANDIDATE: frozenset({State.TESTING, State.ON_HOLD, State.TORN_DOWN}),
        State.TESTING: frozenset(
            {State.AWAITING_APPROVAL, State.SHADOWING, State.EXPERIMENTING, State.INCUMBENT, State.TORN_DOWN}
        ),
        State.AWAITING_APPROVAL: frozenset({State.SHADOWING, State.EXPERIMENTING, State.INCUMBENT, State.TORN_DOWN}),
        State.SHADOWING: frozenset({State.EXPERIMENTING, State.INCUMBENT, State.TORN_DOWN}),
        State.EXPERIMENTING: frozenset({State.INCUMBENT, State.TORN_DOWN}),
        State.INCUMBENT: frozenset({State.RETIRED}),
        State.RETIRED: frozenset({State.INCUMBENT}),
        State.TORN_DOWN: frozenset({State.CANDIDATE}),
        State.ON_HOLD: frozenset({State.CANDIDATE, State.TORN_DOWN}),
    }
)
"""From each state to those that may follow. Anything else raises and changes nothing."""

SERVED = frozenset(
    {
        State.DEPLOYING,
        State.CANDIDATE,
        State.TESTING,
        State.AWAITING_APPROVAL,
        State.SHADOWING,
        State.EXPERIMENTING,
        State.INCUMBENT,
        State.ON_HOLD,
    }
)
"""States whose revision has a server; a retired one has it too while it is kept warm."""

MIRRORED = frozenset({State.CANDIDATE, State.TESTING, State.AWAITING_APPROVAL, State.SHADOWING})
"""States in which a revision may get copies of production requests."""

_HINTS = {
    State.TRAINING: "wait until its training ends",
    State.TRAINED: "`rung deploy serving` it first",
    State.FAILED: "mend the cause and deploy the next revision",
    State.DEPLOYING: "wait until it answers",
    State.CANDIDATE: "`rung promote` it first",
    State.AWAITING_APPROVAL: "`rung approve` or `rung reject` it, or wait until its deadline",
    State.TORN_DOWN: "`rung revive` it first",
    State.ON_HOLD: "`rung metrics requests` shows which data it waits for",
    State.RETIRED: "`rung rollback` brings the last incumbent back",
}


def check_move(revision: str, now: State, to: State) -> None:
    """Allow a move of the table.

    >>> check_move("housing.v1.m1", State.TRAINING, State.TRAINED)

    Raises:
        ConflictError: The table has no such move.
    """
    if to not in MOVES[now]:
        raise ConflictError(f"{revision} is {now} and cannot become {to}", hint=_HINTS.get(now, "see `rung status`"))
