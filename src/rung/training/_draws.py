"""The global random generators: seeded for each task, and asked afterwards whether the task drew from them.

A task's output depends on the seed only when it did. Libraries draw from them, too: an estimator without a
`random_state` does.
"""

from __future__ import annotations

import random
import sys
from typing import Any


class Draws:
    """Seeds the generators of the standard library, numpy and torch, where these are loaded."""

    def __init__(self, seed: str) -> None:
        random.seed(seed)
        number = random.Random(seed).randrange(2**32)  # noqa: S311  no secret is drawn
        if (numpy := sys.modules.get("numpy")) is not None:
            numpy.random.seed(number)
        if (torch := sys.modules.get("torch")) is not None:
            torch.manual_seed(number)
        self._before = _states()

    def were_made(self) -> bool:
        """Tell whether anything was drawn since; also when a library was loaded since, whose draws cannot be told."""
        return _states() != self._before


def _states() -> list[Any]:
    states: list[Any] = [random.getstate()]
    if (numpy := sys.modules.get("numpy")) is not None:
        _, key, *rest = numpy.random.get_state()
        states.append((key.tobytes(), *rest))
    if (torch := sys.modules.get("torch")) is not None:
        states.append(bytes(torch.get_rng_state().tolist()))
    return states
