"""The load test of a live endpoint: users in turn, then a fixed rate, both through Locust.

Promotion runs `python -m rung.testing.load` as a job; `rung test` calls `run_load`. Locust with its many packages is
neither in Rung nor in a service's environment: it runs in one of its own, made once from the lock that lies here.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.testing.load._plan import LoadPlan, OpenLoad
    from rung.testing.load._run import run_load

__all__ = ["LoadPlan", "OpenLoad", "run_load"]

__getattr__ = exports(__name__, {"LoadPlan": "_plan", "OpenLoad": "_plan", "run_load": "_run"})
