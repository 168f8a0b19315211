"""Where the stories take place: on this machine, or with `RUNG_STORIES_ON=ray` on a Ray cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import live_platform
import pytest
from ray_cluster import ray_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _compute() -> Iterator[None]:
    if os.environ.get("RUNG_STORIES_ON") != "ray":
        yield
        return
    with ray_cluster(cpus=64, memory_gib=256) as cluster:
        live_platform.SETTINGS += ['compute = "ray"', f'compute_address = "{cluster.address}"']
        yield
