"""Little of what a task gives: for a training that only shows that all of it works.

Authors call it in what stands in for the task that loads their data; a service from a notebook begins with such a one.
"""

from __future__ import annotations

import math
from typing import Any

__all__ = ["sampled"]

_ROWS = 1_000


def sampled(value: Any, rows: int = _ROWS) -> Any:
    """Give at most so many rows of a value, evenly spread over it.

    Of frames, arrays and lists of one length the same rows are left, also of several in a dict or a tuple: features and
    truths stay together. What has no rows is given as it is.

    >>> sampled({"x": list(range(10)), "name": "ten"}, rows=4)
    {'x': [0, 3, 6, 9], 'name': 'ten'}
    """
    if isinstance(value, dict):
        return {name: sampled(one, rows) for name, one in value.items()}
    if type(value) is tuple:
        return tuple(sampled(one, rows) for one in value)
    height = _height(value)
    return value[:: math.ceil(height / rows)] if height > rows else value


def _height(value: Any) -> int:
    """Count rows; zero where there are none."""
    if isinstance(value, list):
        return len(value)
    shape = getattr(value, "shape", None)
    return int(shape[0]) if isinstance(shape, tuple) and shape else 0
