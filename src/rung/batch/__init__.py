"""Whole files and datasets through the handlers of a revision: `rung predict`, which needs no control plane.

The rows do not pass the gateway. They are predicted by workers in the revision's own locked environment, with the same
validation, features and artifacts as its server, and written beside what identifies them.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.batch._order import Order
    from rung.batch._predict import Summary, predict

__all__ = ["Order", "Summary", "predict"]

__getattr__ = exports(__name__, {"Order": "_order", "Summary": "_predict", "predict": "_predict"})
