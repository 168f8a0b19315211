"""Upkeep runs by itself while a platform is up, and tells what it did."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from live_platform import LivePlatform, live_platform

from rung.data import open_catalogue
from rung.data.feedback import refresh
from rung.lake import AppendLog, open_lake, prediction_line

if TYPE_CHECKING:
    from rung.lake import Lake

DAY_US = 86_400_000_000


def ship(lake: Lake, revision: str, *, days_ago: int) -> None:
    """Ship one prediction in a commit of its own."""
    log = AppendLog(lake.logs)
    now = int(time.time() * 1e6)
    log.append(
        prediction_line(
            id=f"{revision}-{days_ago}-{now}",
            revision=revision,
            time=now - days_ago * DAY_US,
            status=200,
            duration_ms=1,
            kind="production",
            instances=b'[{"area":1.0}]',
            predictions=b'[{"price":1.0}]',
        )
    )
    log.close()
    lake.ship()


def told(platform: LivePlatform) -> dict[str, Any]:
    """Sum up what the control plane says it did."""
    counts: dict[str, Any] = {}
    for line in platform.place.log.read_text().splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("event") == "upkeep":
            for name, count in entry.items():
                counts[name] = counts.get(name, 0) + count if isinstance(count, (int, float)) else count
    return counts


@pytest.mark.long
def test_platform_looks_after_its_lake():
    with live_platform() as platform:
        settings = platform.root / "rung.toml"
        lake = open_lake(platform.place.workspace)
        for _ in range(4):
            ship(lake, "housing.v1.m1", days_ago=5)
        for service in ("housing", "sales"):
            ship(lake, f"{service}.v1.m1", days_ago=40)
        first = refresh(platform.place.workspace, "housing").version
        assert first is not None
        settings.write_text(settings.read_text() + "[services.housing.log]\nretention_days = 30\n")
        platform.rung("up", "--detach")
        platform.wait(lambda: {"joined", "days"} <= told(platform).keys())
        platform.wait(lambda: "feedback_refreshed" in platform.place.log.read_text())
        platform.rung("down")
        counts = told(platform)
        assert (counts["joined"], counts["into"], counts["days"]) == (4, 1, 1)
        assert (lake.count(service="housing"), lake.count(service="sales")) == (4, 1)
        catalogue = open_catalogue(platform.place.workspace)
        assert (first.rows, [version.rows for version in catalogue.versions("housing.predictions")]) == (5, [4])
