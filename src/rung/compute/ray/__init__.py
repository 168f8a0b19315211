"""The compute of a Ray cluster: Ray places work on machines and begins it again when one is lost.

Ray never stands in the path of a request: an actor owns the process that runs on its machine, and that listens there.
The control plane does not import Ray, which ends the process whose cluster is gone: a driver of its own speaks with it.
"""

from __future__ import annotations

from rung.compute.ray._compute import RayCompute

__all__ = ["RayCompute"]
