"""A platform with services in every stage, and a browser that is logged in there; both are shared by a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browser import DESK, Visitor, browser, visitor
from dashboard_scene import Scene, seed
from platform_api import Api, platform_api
from tiny_platform import platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


__all__ = ["platform"]

MLFLOW = '[mlflow]\ntracking = "https://mlflow.example.org"\n'
"""Nobody is told there: that is the loop's work."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API and the dashboard of a platform whose loop does not run."""
    with platform_api(tmp_path_factory.mktemp("d") / "w", MLFLOW) as running:
        yield running


@pytest.fixture(scope="module")
def scene(api: Api) -> Scene:
    """What its registry holds."""
    return seed(api.platform.registry, api.platform.place)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser."""
    with browser() as launched:
        yield launched


@pytest.fixture(scope="module")
def owner(api: Api, scene: Scene, chromium: Browser) -> Iterator[Visitor]:
    """Who owns the platform, at its dashboard."""
    context = chromium.new_context(viewport=DESK, reduced_motion="reduce")
    yield visitor(context, api.url, api.ask("POST", "/tickets").json()["path"])
    context.close()
