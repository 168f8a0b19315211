"""`@goal.maximize` and `@goal.minimize`: which way a data test's number is better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Goal = Literal["maximize", "minimize"]
FunctionT = TypeVar("FunctionT", bound="Callable[..., Any]")

_MARK = "__rung_goal__"


class _Goals:
    """Decorators for data tests: `def r2(client, X_test, y_test) -> float`."""

    def maximize(self, function: FunctionT) -> FunctionT:
        """Mark a data test whose higher values are better."""
        setattr(function, _MARK, "maximize")
        return function

    def minimize(self, function: FunctionT) -> FunctionT:
        """Mark a data test whose lower values are better."""
        setattr(function, _MARK, "minimize")
        return function


goal = _Goals()


def goal_of(function: Any) -> Goal | None:
    """Tell which way a data test goes; None when it is no data test."""
    mark: Goal | None = getattr(function, _MARK, None)
    return mark
