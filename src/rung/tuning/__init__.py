"""Tuning: trials of a training over the ranges that its hyperparameters declare, and whether the best is worth having.

Called by `rung tune`. Optuna proposes; each trial is a run of its own, in a process of its own. Each name is imported
when it is first used.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.tuning._apply import apply
    from rung.tuning._session import Order, Session
    from rung.tuning._study import Spec, Study, Tried, names

__all__ = ["Order", "Session", "Spec", "Study", "Tried", "apply", "names"]

__getattr__ = exports(
    __name__,
    {
        "Order": "_session",
        "Session": "_session",
        "Spec": "_study",
        "Study": "_study",
        "Tried": "_study",
        "apply": "_apply",
        "names": "_study",
    },
)
