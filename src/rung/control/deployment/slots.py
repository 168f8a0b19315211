"""Slots of trainings: which revision may begin to train now, and the queue of those that wait, with reasons.

Called with each revision that could begin. That one waits, and that it has begun, are events: how long it waited is on
record, and a control plane that takes over finds the queue as it was.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rung.lifecycle import State, Team, Training, TurnFacts, take_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rung.lifecycle import Turn
    from rung.registry import Event, Registry, Revision
    from rung.schema import RevisionName
    from rung.settings import Settings

__all__ = ["BEGAN", "WAITS", "Slots"]

WAITS: Final = "training_waits"
"""Kind of the events that tell of a training that waits for a slot."""
BEGAN: Final = "training_began"
"""Kind of the events that tell of one that got its slot."""
_COUNTED = 1_000  # of the newest trainings that began
_FRESH_S = 0.3  # that a look at the queue holds for those that wait: all of them ask at each tick


@dataclass(slots=True, kw_only=True)
class Slots:
    """The slots of one platform."""

    registry: Registry
    settings: Callable[[], Settings]
    has_begun: Callable[[RevisionName], bool]
    """Tells of a revision that trains whether its process was started."""
    _waits: frozenset[str] = frozenset()
    """Names of those that had to wait at the last look."""
    _looked: float = -math.inf
    """Monotonic seconds."""

    def may_begin(self, revision: Revision) -> bool:
        """Tell whether a training that could begin has a slot; the answer is on record."""
        settings, name = self.settings(), revision.name
        if settings.training.slots is None and not settings.teams:
            return True
        if str(name) in self._waits and time.monotonic() - self._looked < _FRESH_S:
            return False
        turns = take_turns(self._facts(settings, asking=revision))
        self._waits, self._looked = frozenset(one.training.name for one in turns if not one.begins), time.monotonic()
        turn = next(one for one in turns if one.training.name == str(name))
        waits = self.registry.latest(WAITS, name.service).get(str(name))
        if turn.begins:
            because = "its training began" + (f", {_waited(waits)} after it came to the queue" if waits else "")
            self.registry.record_event(BEGAN, str(name), because=because, actor="rung", team=turn.training.team)
        elif waits is None:
            because = f"its training waits at place {turn.place} of the queue: {turn.because}"
            facts: dict[str, Any] = {"team": turn.training.team, "place": turn.place}
            self.registry.record_event(WAITS, str(name), because=because, actor="rung", **facts)
        return turn.begins

    def began(self, revision: Revision) -> datetime:
        """Tell since when a revision trains: since it had a slot, or was asked for where nothing waits."""
        event = self.registry.latest(BEGAN, revision.name.service).get(str(revision.name))
        return revision.created if event is None else event.time

    def queue(self) -> dict[str, Any]:
        """Tell who has slots, who waits for one, at which place and why."""
        settings = self.settings()
        facts = self._facts(settings)
        held = Counter(one.team for one in facts.running)
        waiting = Counter(one.team for one in facts.waiting)
        turns = take_turns(facts)
        return {
            "slots": facts.slots,
            "taken": len(facts.running),
            "teams": [
                {
                    "team": team.name,
                    "slots": team.slots,
                    "burst": team.burst,
                    "taken": held[name],
                    "waiting": waiting[name],
                }
                for name, team in sorted(facts.teams.items())
            ],
            "running": [_told(one) for one in facts.running],
            "waiting": [
                {**_told(turn.training), "place": turn.place, "because": turn.because}
                for turn in sorted(turns, key=lambda turn: turn.place)
            ],
        }

    def waiting(self) -> Mapping[str, Turn]:
        """Give the turns of the trainings that wait, by revision."""
        settings = self.settings()
        if settings.training.slots is None and not settings.teams:
            return {}
        return {turn.training.name: turn for turn in take_turns(self._facts(settings)) if not turn.begins}

    def _facts(self, settings: Settings, *, asking: Revision | None = None) -> TurnFacts:
        training = [one for one in self.registry.watched(datetime.now(UTC)) if one.state is State.TRAINING]
        begun = {one.name for one in training if self.has_begun(one.name)}
        known = self.registry.latest(WAITS) if len(begun) < len(training) else {}
        is_asking = {asking.name} if asking is not None else set()
        waits = [one for one in training if one.name not in begun and (one.name in is_asking or str(one.name) in known)]
        running = [_training(one, settings) for one in training if one.name in begun]
        waiting = [_training(one, settings) for one in waits]
        teams = {name: Team(name=name, slots=team.slots, burst=team.burst) for name, team in settings.teams.items()}
        for one in (*running, *waiting):
            teams.setdefault(one.team, Team(name=one.team, slots=None))
        return TurnFacts(
            slots=settings.training.slots,
            teams=teams,
            running=running,
            waiting=waiting,
            ended=self._ended(waiting, {one.name for one in running}),
        )

    def _ended(self, waiting: Sequence[Training], running: set[str]) -> dict[str, int]:
        """Count by team what began since the oldest that waits was asked for, and has ended."""
        if len(waiting) < 2:  # noqa: PLR2004  there is no choice
            return {}
        since = min(one.asked for one in waiting)
        began = self.registry.events_before(before=None, services=None, limit=_COUNTED, kind=BEGAN)
        return Counter(event.data["team"] for event in began if event.time >= since and event.subject not in running)


def _training(revision: Revision, settings: Settings) -> Training:
    service = revision.name.service
    team = next((name for name, team in settings.teams.items() if service in team.services), f"({service})")
    return Training(name=str(revision.name), team=team, asked=revision.created)


def _told(training: Training) -> dict[str, Any]:
    return {"revision": training.name, "team": training.team, "asked": training.asked.isoformat()}


def _waited(event: Event) -> str:
    return f"{(datetime.now(UTC) - event.time).total_seconds():,.0f} s"
