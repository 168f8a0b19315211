"""What an author says of a hyperparameter beside its bounds: where `rung tune` looks for better values, if at all."""

from __future__ import annotations

from dataclasses import dataclass

from rung.errors import CallError

__all__ = ["NotTuned", "Range"]


@dataclass(frozen=True, slots=True)
class Range:
    """Where better values of a number are looked for: `Annotated[float, Field(gt=0), Range(0.01, 0.5, log=True)]`.

    What it leaves open comes from the bounds of the field, which say what is valid; a range says what is worth trying.

    Args:
        low: The smallest value, included.
        high: The largest value, included.
        log: Look as closely between 0.01 and 0.1 as between 0.1 and 1.
        step: Only these distances from `low`.

    Raises:
        CallError: It is empty, logarithmic from 0 on, or has a step that does not fit.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise CallError(f"a range from {self.low} to {self.high} is empty", hint="low is below high")
        if self.log and self.low is not None and not self.low > 0:
            raise CallError(f"a logarithmic range begins at {self.low}", hint="let it begin above 0")
        if self.step is not None and (self.log or not self.step > 0):
            raise CallError(f"a step of {self.step} does not fit", hint="it is above 0, and without log=True")


@dataclass(frozen=True, slots=True)
class NotTuned:
    """Keeps a hyperparameter at its default: what is learned from, what is held out, what is only for trying out."""
