"""Both computes that are shipped hold to the contract: this machine's, and a real Ray cluster's."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from ray_cluster import ray_cluster

from rung.compute.contract import ComputeContract
from rung.compute.here import LocalCompute
from rung.compute.ray import RayCompute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rung.compute.protocol import Compute


class TestLocalCompute(ComputeContract):
    bounded = False

    @pytest.fixture
    def make(self) -> Callable[[], Compute]:
        return LocalCompute


@pytest.fixture(scope="module")
def two() -> Iterator[list[RayCompute]]:
    with ExitStack() as opened:
        cluster = opened.enter_context(ray_cluster())
        yield [opened.enter_context(closing(RayCompute(cluster.address, "contract"))) for _ in range(2)]


class TestRayCompute(ComputeContract):
    @pytest.fixture
    def make(self, two: list[RayCompute]) -> Callable[[], Compute]:
        return iter(two).__next__
