"""What code a function reaches, as a digest: by it training knows what to run again, and a feature what it is made by.

Called by `rung.training` for the tasks of an experiment and by `rung.features` for the definition of a view.
"""

from rung.closure._closure import Closure, Closures
from rung.closure._process import process_started

__all__ = ["Closure", "Closures", "process_started"]
