"""How many replicas a revision has: decided purely, from what was measured, and simulated before it is trusted.

The control plane measures, calls `decide`, and starts or stops replicas; `rung simulate-scaling` shows what would
happen with the hardware that a service declares. `docs/autoscaling.md` explains both.
"""

from rung.scaling._decide import Decision, Lull, Memory, decide
from rung.scaling._load import Load, Sample
from rung.scaling._simulate import Change, Point, Replica, Simulated, simulate
from rung.scaling._traffic import TRAFFICS, Traffic

__all__ = [
    "TRAFFICS",
    "Change",
    "Decision",
    "Load",
    "Lull",
    "Memory",
    "Point",
    "Replica",
    "Sample",
    "Simulated",
    "Traffic",
    "decide",
    "simulate",
]
