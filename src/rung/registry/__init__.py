"""The registry: what exists, what happened, and why. The only SQL of Rung.

`open_registry` gives it for a workspace's state; the control plane, the CLI and a training's end use it.
"""

from rung.registry._registry import Registry, open_registry
from rung.registry._rows import Event, Experiment, Promotion, Revision

__all__ = ["Event", "Experiment", "Promotion", "Registry", "Revision", "open_registry"]
