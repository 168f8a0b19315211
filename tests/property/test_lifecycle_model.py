"""Whatever happens in whatever order, every invariant of the lifecycle holds, and everything comes to an end.

The control plane that production runs (registry, loop, routing, promotions, use cases) acts in a simulated world, whose
clock jumps, whose jobs hang, whose servers and gateway fail, whose control planes die at any write or are replaced in
the middle of one, and in which several operators do what they like. What was chosen is printed when something breaks,
with a line that repeats it.

`make test` takes some hundred steps; `pytest tests/property --hypothesis-profile=long` takes some ten thousand.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from lifecycle_machine import Lifecycle, empty_registry

__all__ = ["empty_registry"]

IS_LONG = settings.get_current_profile_name() == "long"

Lifecycle.TestCase.settings = settings(
    max_examples=1_000 if IS_LONG else 15,
    stateful_step_count=50 if IS_LONG else 20,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
TestLifecycle = Lifecycle.TestCase
