"""Which training begins next, where there are fewer slots than trainings. Pure.

Teams take turns in proportion to their slots: the one that used least for its share, since the oldest that waits was
asked for, goes next (weighted fair queueing; Demers, Keshav, Shenker 1989). Inside a team the first asked comes first.
A slot is never idle while anybody waits who may have it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

__all__ = ["Team", "Training", "Turn", "TurnFacts", "take_turns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Who shares the slots."""

    name: str
    slots: int | None = None  # that it may use at once, and its share; None: as many as there are, and a share of 1
    burst: bool = False  # it may use more while nobody else waits for them


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One that has a slot, or waits for one."""

    name: str  # of its revision
    team: str
    asked: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFacts:
    """All that the decision is made of."""

    slots: int | None  # of the platform; None: no limit
    teams: Mapping[str, Team]  # of every training, by name
    running: Sequence[Training] = ()
    waiting: Sequence[Training] = ()
    ended: Mapping[str, int] = field(
        default_factory=dict
    )  # by team: began since the oldest that waits asked, and ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What becomes of one that waits."""

    training: Training
    place: int  # in the queue, from 1 on; 0: it begins now
    because: str  # one clause

    @property
    def begins(self) -> bool:
        """Whether it begins now."""
        return self.place == 0


def take_turns(facts: TurnFacts) -> list[Turn]:
    """Give every training that waits its turn: first those that begin now, then the queue in its order."""
    line = _Line(facts)
    turns = []
    while (one := line.beginning()) is not None:
        turns.append(Turn(training=one, place=0, because="a slot is free"))
    reasons = {team: line.hindrance(team) for team in facts.teams}
    while (one := line.following()) is not None:
        turns.append(Turn(training=one, place=1 + sum(not turn.begins for turn in turns), because=reasons[one.team]))
    return turns


class _Line:
    """The trainings that wait, and what each team has used."""

    def __init__(self, facts: TurnFacts) -> None:
        self._facts = facts
        self._held = Counter(one.team for one in facts.running)
        self._used = self._held + Counter(facts.ended)
        self._left: dict[str, list[Training]] = {}
        for one in sorted(facts.waiting, key=lambda one: (one.asked, one.name)):
            self._left.setdefault(one.team, []).append(one)

    def beginning(self) -> Training | None:
        """Take the next one that may begin."""
        if self._is_full():
            return None
        heads = [waiting[0] for waiting in self._left.values() if waiting]
        within = [one for one in heads if not self._is_spent(one.team)]
        found = self._fairest(within or [one for one in heads if self._facts.teams[one.team].burst])
        if found is not None:
            self._held[found.team] += 1
        return found

    def following(self) -> Training | None:
        """Take the next one of the queue, whether or not there is a slot for it."""
        return self._fairest([waiting[0] for waiting in self._left.values() if waiting])

    def hindrance(self, team: str) -> str:
        """Say what keeps trainings of a team from beginning."""
        if self._is_full():
            return f"all {self._facts.slots} training slots are taken"
        return f"the team {team} has its {self._facts.teams[team].slots} slots"

    def _is_full(self) -> bool:
        return self._facts.slots is not None and self._held.total() >= self._facts.slots

    def _is_spent(self, team: str) -> bool:
        most = self._facts.teams[team].slots
        return most is not None and self._held[team] >= most

    def _fairest(self, heads: Sequence[Training]) -> Training | None:
        """Take the one whose team used least for its share; of equal ones the one that was asked for first."""
        if not heads:
            return None
        found = min(heads, key=lambda one: (self._used[one.team] / self._share(one.team), one.asked, one.name))
        self._left[found.team].pop(0)
        self._used[found.team] += 1
        return found

    def _share(self, team: str) -> int:
        return self._facts.teams[team].slots or 1
