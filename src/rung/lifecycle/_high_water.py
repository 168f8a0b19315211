"""How far small losses have added up since the best revision of a major, by the data tests of its promotions. Pure.

Every promotion compared a candidate with a reference on the same rows. Scores of different promotions are on different
rows and tell nothing; their paired differences add up. A chain begins anew where a test was not compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TIMES_CAUGHT = 2.0
"""A budget that nobody declared, in the largest loss that one comparison since the best revision let through."""

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One comparison of a data test, paired on the same rows."""

    revision: str
    reference: str
    difference: float | None
    """In the test's unit, positive is better; None when the test was not compared."""
    smallest_caught: float | None
    """The largest loss that it let through, in the test's unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HighWater:
    """A candidate against the best promoted revision."""

    best: str
    """The revision that stands highest."""
    below: float
    """How far the candidate is below it, in the test's unit; negative when it is above."""
    budget: float
    """How far it may be."""
    is_declared: bool
    """The author declared the budget; else it is derived."""

    @property
    def holds(self) -> bool:
        """The candidate is within the budget."""
        return bool(self.below <= self.budget + _ROUNDING * max(abs(self.below), abs(self.budget)))

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {"best": self.best, "below": self.below, "budget": self.budget, "declared": self.is_declared}


def high_water(history: Sequence[Step], candidate: Step, *, budget: float | None) -> HighWater | None:
    """Add up paired differences, and hold a candidate against the highest sum.

    Args:
        history: One test's steps of all promotions of the major, in order.
        candidate: The step that is to be judged.
        budget: As declared, in the test's unit; None: twice the largest loss that a comparison after the best revision
            let through, the candidate's own included.

    Returns:
        None while there is nothing to add to: the candidate was not compared, or not with a revision of the chain.

    >>> def step(revision, reference, difference):
    ...     return Step(revision=revision, reference=reference, difference=difference, smallest_caught=0.01)
    >>> found = high_water([step("m1", "m0", 0.3), step("m2", "m1", -0.01)], step("m3", "m2", -0.015), budget=0.02)
    >>> found.best, round(found.below, 3), found.holds
    ('m1', 0.025, False)
    """
    levels: dict[str, float] = {}
    promoted: list[Step] = []
    for step in history:
        if step.difference is None or (levels and step.reference not in levels):
            levels, promoted = {step.revision: 0.0}, [step]
            continue
        levels[step.revision] = levels.get(step.reference, 0.0) + step.difference
        promoted.append(step)
    if candidate.difference is None or candidate.reference not in levels:
        return None
    best = max(promoted, key=lambda step: levels[step.revision])
    after = [*promoted[promoted.index(best) + 1 :], candidate]
    derived = _TIMES_CAUGHT * max(step.smallest_caught or 0.0 for step in after)
    return HighWater(
        best=best.revision,
        below=levels[best.revision] - levels[candidate.reference] - candidate.difference,
        budget=derived if budget is None else budget,
        is_declared=budget is not None,
    )


def steps_of(name: str, verdicts: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Step]:
    """Read one test's steps from what the data gate found in earlier promotions.

    Args:
        name: The test's.
        verdicts: For each promotion, in order, the revision and the evidence.
    """
    return [_step(name, revision, evidence) for revision, evidence in verdicts]


def _step(name: str, revision: str, evidence: Mapping[str, Any]) -> Step:
    found: Mapping[str, Any] = next((test for test in evidence.get("tests", ()) if test["name"] == name), {})
    return Step(
        revision=revision,
        reference=str(evidence.get("reference")),
        difference=found.get("difference"),
        smallest_caught=found.get("smallest_caught"),
    )
