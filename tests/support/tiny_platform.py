"""The platform that tests of several folders begin with: the tiny service with an incumbent, against its benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tiny_service
from live_platform import LivePlatform, live_platform

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def platform() -> Iterator[LivePlatform]:
    """A platform whose tiny.v1.m1 answers production, against the benchmark m0."""
    with live_platform() as platform:
        begin(platform)
        yield platform


def begin(platform: LivePlatform) -> None:
    """Deploy the benchmark, then the first incumbent."""
    tiny_service.write(platform.root)
    platform.rung("up", "--detach")
    platform.deploy("tiny")
    tiny_service.change(platform.root, "slope: float = 0.0", "slope: float = 1.0")
    tiny_service.document(platform.root, 1)
    platform.deploy("tiny")
    platform.rung("promote", "tiny.v1.m1")
