"""What a training keeps of its evaluation: the numbers of its data tests, and which regression tests passed.

`rung train`, the record of the run, documents and reviews tell it. Gates do not go by it: they run the tests again, on
the held-out rows that the same training kept, against the live servers.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class DataResult(BaseModel):
    """One data test on the held-out rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    goal: Literal["maximize", "minimize"]
    value: float | None
    """The test's number; None when it raised or gave one that is not finite."""
    because: str = ""
    """Why there is no value."""


class RegressionResult(BaseModel):
    """One regression test."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    passed: bool
    because: str = ""
    """Why it did not pass: the error, or the instances and predictions that it compared."""


class TestResults(BaseModel):
    """The outcome of `evaluate_models`; a task that returns it makes an experiment complete."""

    __test__ = False  # not a class of pytest's

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int
    """Held-out rows."""
    data: tuple[DataResult, ...]
    regression: tuple[RegressionResult, ...]
    example: dict[str, Any]
    """For each route a request that the service answered: `{"predict": {"instances": [...]}}`."""

    @property
    def metrics(self) -> dict[str, float]:
        """The data tests that gave a number, by name."""
        return {result.name: result.value for result in self.data if result.value is not None}

    @property
    def failed(self) -> tuple[RegressionResult, ...]:
        """The regression tests that did not pass."""
        return tuple(result for result in self.regression if not result.passed)
