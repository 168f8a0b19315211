"""Servers of a revision on a platform: more of them under load, fewer after it, none while nobody asks.

One platform, on which tiny takes its time for each prediction; load comes from threads of this process.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx2
import psutil
import pytest
import tiny_service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live_platform import LivePlatform

pytestmark = pytest.mark.long

NAME = "tiny.v1.m2"
SCALING = "minimum=0, maximum=3, target_concurrency=2, scale_down_after_s=2, idle_after_s=3, cold_start_s=30"


@dataclass(slots=True)
class Load:
    """Requests that are sent for as long as it lasts."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


@contextmanager
def load(platform: LivePlatform, clients: int) -> Iterator[Load]:
    """Ask from so many threads, one request after the other."""
    found, end = Load(), threading.Event()

    def ask() -> None:
        with httpx2.Client(timeout=40) as client:
            while not end.is_set():
                try:
                    answer = client.post(path(platform), json={"instances": [{"x": 3}]})
                except httpx2.HTTPError as error:
                    found.failures.append(repr(error))
                else:
                    found.statuses[answer.status_code] += 1

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        end.set()
        for thread in threads:
            thread.join()


def path(platform: LivePlatform) -> str:
    return f"{platform.gateway}/tiny/v1/m2/predict"


def servers(platform: LivePlatform) -> set[str]:
    return {name for name in platform.recorded() if name.startswith(NAME)}


@pytest.fixture(scope="module", autouse=True)
def _deployed(platform: LivePlatform) -> None:
    settings = platform.root / "rung.toml"
    settings.write_text(settings.read_text() + "local_vcpus = 8\n")
    platform.rung("down")
    slow = "    offset = request.parameters.offset\n"
    tiny_service.change(platform.root, slow, f"    time.sleep(0.05)\n{slow}", file="serve/app.py")
    tiny_service.change(platform.root, "import math\n", "import math\nimport time\n", file="serve/app.py")
    declared = "minimum=1, maximum=1, target_concurrency=8"
    tiny_service.change(platform.root, declared, SCALING, file="infrastructure/hardware.py")
    workers = "gunicorn_workers=2"
    tiny_service.change(platform.root, workers, "gunicorn_workers=1", file="infrastructure/hardware.py")
    batching = "                batching=Batching(max_instances=8),\n"
    tiny_service.change(platform.root, batching.strip() + "\n", "", file="infrastructure/hardware.py")
    platform.rung("up", "--detach")
    platform.deploy("tiny")


def test_load_brings_servers_and_its_end_takes_them_away(platform: LivePlatform):
    with load(platform, 12) as found:
        platform.wait(lambda: servers(platform) == {NAME, f"{NAME}~2", f"{NAME}~3"})
        platform.wait(lambda: platform.revision(NAME)["servers"] == 3)
        time.sleep(3)
    assert found.failures == []
    assert found.statuses.keys() == {200}
    told = [event["because"] for event in platform.ask("why", NAME)["events"] if event["kind"] == "scaled"]
    assert "requests in flight over 3 s, 2 per replica aimed at" in told[0]
    page = httpx2.get(f"{platform.address.url}/metrics", headers={"authorization": f"Bearer {platform.address.token}"})
    answered = [line for line in page.text.splitlines() if line.startswith("rung_up{") and NAME in line]
    assert len(answered) == 3, answered
    platform.wait(lambda: servers(platform) == set())
    assert platform.revision(NAME)["ready"], "a revision that sleeps would answer"
    assert f"{NAME}: it sleeps until somebody asks; lowered from " in platform.rung("status").stdout


def test_first_request_wakes_it(platform: LivePlatform):
    platform.wait(lambda: servers(platform) == set())
    begun = time.monotonic()
    with load(platform, 3) as found:
        platform.wait(lambda: found.statuses.total() >= 30 or bool(found.failures))
    assert found.failures == []
    assert found.statuses.keys() == {200}
    assert time.monotonic() - begun < 30
    answer = httpx2.post(path(platform), json={"instances": [{"x": 5_000}]}, timeout=40)
    assert answer.status_code == 422


def test_servers_are_adopted_by_the_next_control_plane(platform: LivePlatform):
    with load(platform, 12) as found:
        platform.wait(lambda: len(servers(platform)) == 3)
        before = {process.pid for name, process in platform.recorded().items() if name.startswith(NAME)}
        psutil.Process(platform.address.pid).kill()
        platform.rung("up", "--detach")
        time.sleep(2)
        after = {process.pid for name, process in platform.recorded().items() if name.startswith(NAME)}
    assert before == after
    assert found.failures == []
    assert found.statuses.keys() == {200}
