"""What an A/B test keeps of each arm: sums over its units, nothing else. The lake makes them, `effects` reads them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias

import numpy as np

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Arm", "Stratum", "vector", "winsor_limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Sums over the units of one arm; a unit that returns counts once, with its total.

    `y` is the unit's outcome, `x` its denominator (ratio metrics only), `z` a covariate that was fixed before the
    experiment began to act on the unit (CUPED only). Arms of disjoint units add up.

    >>> Arm.of([1, 0, 1]) + Arm.of([0]) == Arm.of([1, 0, 1, 0])
    True
    """

    units: int  # units, each counted once
    y: float  # sum of outcomes
    yy: float  # sum of squared outcomes
    yyy: float | None = None  # sum of cubed outcomes; None: skewness is not known and does not lengthen the burn-in
    x: float = 0.0  # sum of denominators
    xx: float = 0.0  # sum of squared denominators
    xy: float = 0.0  # sum of denominator times outcome
    z: float = 0.0  # sum of covariates
    zz: float = 0.0  # sum of squared covariates
    yz: float = 0.0  # sum of outcome times covariate
    xz: float = 0.0  # sum of denominator times covariate

    def __post_init__(self) -> None:
        if self.units < 0:
            raise CallError(f"an arm has {self.units} units, but a count is at least 0")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and not math.isfinite(value):
                raise CallError(
                    f"the sum {field.name!r} of an arm is {value}, but sums must be finite",
                    hint="leave out, or replace, outcomes that are missing or infinite",
                )

    @classmethod
    def of(
        cls,
        values: ArrayLike,
        denominators: ArrayLike | None = None,
        covariates: ArrayLike | None = None,
        *,
        limits: tuple[float, float] | None = None,
    ) -> Self:
        """Sum one arm's units.

        Args:
            values: The outcome of each unit, shape (units,).
            denominators: The denominator of each unit, same shape; for ratio metrics such as clicks per request.
            covariates: A measurement of each unit from before the experiment, same shape; makes the test faster.
            limits: Outcomes are clipped into this range, which must be the same for both arms (`winsor_limits`).

        Raises:
            CallError: The shapes differ, or a number is not finite.
        """
        outcomes = vector("values", values, None)
        x = vector("denominators", denominators, outcomes.size)
        z = vector("covariates", covariates, outcomes.size)
        y = outcomes if limits is None else np.clip(outcomes, *limits)
        return cls(
            units=int(y.size),
            y=float(y.sum()),
            yy=float(y @ y),
            yyy=float((y * y) @ y),
            x=float(x.sum()),
            xx=float(x @ x),
            xy=float(x @ y),
            z=float(z.sum()),
            zz=float(z @ z),
            yz=float(y @ z),
            xz=float(x @ z),
        )

    def __add__(self, other: Self) -> Self:
        if not isinstance(other, Arm):
            return NotImplemented
        cubes = None if self.yyy is None or other.yyy is None else self.yyy + other.yyy
        names = (field.name for field in dataclasses.fields(self) if field.name != "yyy")
        return type(self)(yyy=cubes, **{name: getattr(self, name) + getattr(other, name) for name in names})

    def to_json(self) -> dict[str, float | None]:
        """Return the sums as a mapping that JSON can hold."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, sums: Mapping[str, float | None]) -> Self:
        """Read what `to_json` wrote.

        >>> Arm.from_json(Arm.of([1.5, 2.5]).to_json()) == Arm.of([1.5, 2.5])
        True
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if extra := sorted(set(sums) - known):
            raise CallError(f"an arm has no sum named {extra[0]!r}", hint=f"its sums are {', '.join(sorted(known))}")
        if missing := sorted({"units", "y", "yy"} - set(sums)):
            raise CallError(f"the sum {missing[0]!r} of an arm is missing")
        return cls(**sums)  # type: ignore[arg-type]  # the names are checked above, the numbers in __post_init__


Stratum: TypeAlias = tuple[Arm, Arm]
"""(challenger, incumbent) over the units that were first seen while the traffic split was the same."""


def winsor_limits(values: ArrayLike, share: float = 0.001) -> tuple[float, float]:
    """Return the range that leaves out `share` of the outcomes at each end.

    Take the values from before the experiment, or from both arms together, and give the same limits to both arms:
    limits that differ between arms bias the comparison.

    >>> winsor_limits(range(1001), share=0.01)
    (10.0, 990.0)
    """
    if not 0 <= share < 0.5:  # noqa: PLR2004  # half at each end leaves nothing
        raise CallError(f"the share {share} to clip at each end must be at least 0 and below 0.5")
    low, high = np.quantile(vector("values", values, None), [share, 1 - share])
    return float(low), float(high)


def vector(name: str, values: ArrayLike | None, size: int | None) -> NDArray[np.float64]:
    """Return finite numbers of shape (size,), of any size when it is None; zeros where there are no values.

    Raises:
        CallError: The shape differs, or a number is not finite.
    """
    if values is None:
        return np.zeros(size or 0)
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or (size is not None and numbers.size != size):
        expected = "one number per unit" if size is None else f"shape ({size},), one number per unit as in values"
        raise CallError(f"{name} has shape {numbers.shape}, but must be {expected}")
    if not np.isfinite(numbers).all():
        raise CallError(f"{name} has a number that is not finite", hint="leave such units out, or replace the number")
    return numbers
