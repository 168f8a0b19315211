"""`@goal.maximize` and `@goal.minimize`: which way a data test's number is better, and how it is compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Callable

Goal = Literal["maximize", "minimize"]
FunctionT = TypeVar("FunctionT", bound="Callable[..., Any]")

_MARK = "__rung_goal__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What an author says of a data test."""

    goal: Goal
    budget: float | None
    """How far below the best promoted revision small losses may add up to, in the test's own unit; None: derived."""
    smooth: bool
    """A small change of the rows changes the number little. Medians and quantiles are not smooth."""


class _Goals:
    """Decorators for data tests: `def r2(client, X_test, y_test) -> float`.

    They are written bare or with arguments, `@goal.maximize` or `@goal.maximize(budget=0.02, smooth=False)`:

    - budget: losses against the best promoted revision may add up to this, in the test's own unit. None: twice the
      largest loss that one comparison since then would have let through.
    - smooth: False for a number that jumps, as a median does: a bootstrap judges it, at 20 times the cost.
    """

    @overload
    def maximize(self, function: FunctionT, /) -> FunctionT: ...
    @overload
    def maximize(self, /, *, budget: float | None = None, smooth: bool = True) -> Callable[[FunctionT], FunctionT]: ...
    def maximize(self, function: Any = None, /, *, budget: float | None = None, smooth: bool = True) -> Any:
        """Mark a data test whose higher values are better.

        Raises:
            CallError: The budget is not a number from 0 on.
        """
        return _mark(function, _declared("maximize", budget, smooth=smooth))

    @overload
    def minimize(self, function: FunctionT, /) -> FunctionT: ...
    @overload
    def minimize(self, /, *, budget: float | None = None, smooth: bool = True) -> Callable[[FunctionT], FunctionT]: ...
    def minimize(self, function: Any = None, /, *, budget: float | None = None, smooth: bool = True) -> Any:
        """Mark a data test whose lower values are better.

        Raises:
            CallError: The budget is not a number from 0 on.
        """
        return _mark(function, _declared("minimize", budget, smooth=smooth))


goal = _Goals()


def declared_of(function: Any) -> Declared | None:
    """Tell what was said of a data test; None when it is none."""
    mark: Declared | None = getattr(function, _MARK, None)
    return mark


def goal_of(function: Any) -> Goal | None:
    """Tell which way a data test goes; None when it is no data test."""
    mark = declared_of(function)
    return None if mark is None else mark.goal


def _declared(towards: Goal, budget: float | None, *, smooth: bool) -> Declared:
    if budget is not None and not 0 <= budget < math.inf:
        raise CallError(f"the budget of a data test is {budget}", hint="give a number from 0 on, in the test's unit")
    return Declared(goal=towards, budget=budget, smooth=smooth)


def _mark(function: Any, declared: Declared) -> Any:
    def mark(marked: FunctionT) -> FunctionT:
        setattr(marked, _MARK, declared)
        return marked

    return mark if function is None else mark(function)
