"""Small losses that add up."""

from __future__ import annotations

from typing import Any

import pytest

from rung.lifecycle._high_water import Step, high_water, steps_of


def step(revision: str, reference: str, difference: float | None, *, caught: float | None = 0.01) -> Step:
    return Step(revision=revision, reference=reference, difference=difference, smallest_caught=caught)


FIRST = step("m1", "m0", 0.3)

CASES: dict[str, tuple[list[Step], Step, str, float]] = {
    "the first after the benchmark": ([FIRST], step("m2", "m1", -0.01), "m1", 0.01),
    "better than all": ([FIRST], step("m2", "m1", 0.02), "m1", -0.02),
    "two losses": ([FIRST, step("m2", "m1", -0.01)], step("m3", "m2", -0.01), "m1", 0.02),
    "a loss after a gain": ([FIRST, step("m2", "m1", 0.05)], step("m3", "m2", -0.01), "m2", 0.01),
    "a gain that does not make up": (
        [FIRST, step("m2", "m1", -0.03), step("m3", "m2", 0.01)],
        step("m4", "m3", 0.005),
        "m1",
        0.015,
    ),
    "after a rollback": ([FIRST, step("m2", "m1", 0.05)], step("m3", "m1", 0.01), "m2", 0.04),
    "a rollback that was promoted past": (
        [FIRST, step("m2", "m1", 0.05), step("m3", "m1", 0.06)],
        step("m4", "m3", -0.02),
        "m3",
        0.02,
    ),
    "a chain that began anew": (
        [step("m1", "m0", 9.0), step("m2", "m1", None), step("m3", "m2", -0.01)],
        step("m4", "m3", -0.01),
        "m2",
        0.02,
    ),
}


@pytest.mark.parametrize(("history", "candidate", "best", "below"), CASES.values(), ids=CASES.keys())
def test_differences_add_up(history: list[Step], candidate: Step, best: str, below: float):
    found = high_water(history, candidate, budget=None)
    assert found is not None
    assert (found.best, found.below) == (best, pytest.approx(below))


@pytest.mark.parametrize(
    ("history", "candidate"),
    [
        pytest.param([], step("m1", "m0", 0.3), id="first of all"),
        pytest.param([FIRST], step("m2", "m1", None), id="not compared"),
        pytest.param([FIRST, step("m2", "m1", None)], step("m3", "m1", 0.1), id="reference before a new chain"),
    ],
)
def test_nothing_to_add_to(history: list[Step], candidate: Step):
    assert high_water(history, candidate, budget=0.1) is None


def test_reference_of_another_chain_begins_anew():
    history = [FIRST, step("m2", "m1", None), step("m3", "m1", 0.1)]
    found = high_water(history, step("m4", "m3", -0.02), budget=None)
    assert found is not None
    assert (found.best, found.below) == ("m3", pytest.approx(0.02))


@pytest.mark.parametrize(("budget", "holds"), [(0.02, True), (0.019, False), (0.0, False)])
def test_declared_budget_is_kept(budget: float, holds: bool):
    found = high_water([FIRST, step("m2", "m1", -0.01)], step("m3", "m2", -0.01), budget=budget)
    assert found is not None
    assert (found.holds, found.is_declared, found.budget) == (holds, True, budget)


def test_derived_budget_bears_two_losses_and_no_third():
    history = [FIRST, step("m2", "m1", -0.009)]
    second = high_water(history, step("m3", "m2", -0.009), budget=None)
    third = high_water([*history, step("m3", "m2", -0.009)], step("m4", "m3", -0.009), budget=None)
    assert second is not None
    assert third is not None
    assert (second.holds, second.is_declared, second.budget) == (True, False, 0.02)
    assert not third.holds


def test_same_answers_are_never_too_low():
    """A comparison without any noise sees every loss; its own budget of 0 must not stand alone."""
    history = [FIRST, step("m2", "m1", -0.009)]
    found = high_water(history, step("m3", "m2", 0.0, caught=0.0), budget=None)
    assert found is not None
    assert found.holds


def test_steps_are_read_from_evidence():
    def evidence(*tests: dict[str, Any]) -> dict[str, Any]:
        return {"reference": "m1", "tests": list(tests)}

    compared = {"name": "r2", "difference": 0.1, "smallest_caught": 0.02}
    found = steps_of("r2", [("m2", evidence(compared)), ("m3", evidence({"name": "r2"})), ("m4", evidence())])
    assert found == [
        step("m2", "m1", 0.1, caught=0.02),
        step("m3", "m1", None, caught=None),
        step("m4", "m1", None, caught=None),
    ]
