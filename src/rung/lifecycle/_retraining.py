"""Whether a service is to be trained anew, from the same code on newer data, and for which reason. Pure.

A loop of retrainings cannot arise: nothing is done twice for the same cause, two are a cool-down apart, and in thirty
days there are no more than were allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

BUDGET_DAYS = 30
"""The time in which retrainings are counted."""


class Trigger(StrEnum):
    """What made somebody, or the platform, train anew."""

    ASKED = "asked"
    ALERT = "alert"
    DATA = "data"
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a retrained revision comes from."""

    of: str  # the incumbent then, as `housing.v1.m2`
    code: str  # the revision that its code was written for: `of`, or what that was retrained from
    trigger: Trigger
    causes: tuple[str, ...]  # what was answered by it, as `houses@4`, `alert 12`, `2026-11-22T06:00:00+00:00`
    because: str  # one sentence

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {name: getattr(self, name) for name in Origin.__slots__} | {"causes": list(self.causes)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        return cls(**{**data, "trigger": Trigger(data["trigger"]), "causes": tuple(data["causes"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One reason to train anew."""

    trigger: Trigger
    name: str  # the same one is never answered twice
    because: str  # a clause: `houses@4 is newer than houses@3, which it was trained on`


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingRule:
    """How often a service may be trained anew by itself."""

    cool_down: timedelta  # at least that long from one to the next
    at_most: int  # in 30 days


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingFacts:
    """All that the decision is made of."""

    incumbent: str
    causes: Sequence[Cause]  # those that the service's settings name, weightiest first
    earlier: Sequence[tuple[datetime, Origin]]  # retrainings of the major, in any order
    busy: str | None = None  # what is on its way already
    same_data: str | None = None  # that a training would read what the last one read


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrain:
    """Train anew, now."""

    trigger: Trigger
    causes: tuple[str, ...]
    because: str


Hindrance: TypeAlias = Literal["busy", "same data", "cool-down", "budget"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Nothing is to be done."""

    because: str
    hindrance: Hindrance | None = None  # what keeps a cause from being answered


RetrainingDecision: TypeAlias = Retrain | Rest


def decide_retraining(facts: RetrainingFacts, rule: RetrainingRule, now: datetime) -> RetrainingDecision:
    """Decide whether to train the next revision by itself.

    Args:
        facts: What is known.
        rule: What the service's settings allow.
        now: The present, aware.
    """
    answered = {name for _, origin in facts.earlier for name in origin.causes}
    causes = [cause for cause in facts.causes if cause.name not in answered]
    if not causes:
        return Rest(because=f"nothing asks for another training than that of {facts.incumbent}")
    told = "; ".join(cause.because for cause in causes)
    hindrance = _hindrance(facts, rule, now)
    if hindrance is not None:
        return Rest(because=f"{told}; but {hindrance[1]}", hindrance=hindrance[0])
    return Retrain(trigger=causes[0].trigger, causes=tuple(cause.name for cause in causes), because=told)


def _hindrance(facts: RetrainingFacts, rule: RetrainingRule, now: datetime) -> tuple[Hindrance, str] | None:
    """Say what stands against it; what somebody asked for starts the cool-down too, and does not use up the budget."""
    if facts.busy is not None:
        return "busy", facts.busy
    if facts.same_data is not None:
        return "same data", facts.same_data
    last = max((time for time, _ in facts.earlier), default=None)
    if last is not None and now - last < rule.cool_down:
        apart = f"they are {_spell(rule.cool_down)} apart"
        return "cool-down", f"the last retraining began {_spell(now - last)} ago, and {apart}"
    window = timedelta(days=BUDGET_DAYS)
    counted = sum(origin.trigger is not Trigger.ASKED and now - time < window for time, origin in facts.earlier)
    if counted >= rule.at_most:
        allowed = f"{rule.at_most} {'is' if rule.at_most == 1 else 'are'} allowed"
        return "budget", f"{counted} began by themselves within {BUDGET_DAYS} days, and {allowed}"
    return None


def _spell(time: timedelta) -> str:
    seconds = time.total_seconds()
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
