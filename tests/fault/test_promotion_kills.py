"""kill -9 in the middle of an A/B test under load: no acknowledged prediction, outcome or decision is lost.

Each test deploys a challenger that the consumers find better, holds the evidence back until the fault has happened, and
then expects the promotion to end as it would have ended without it.
"""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import pytest
import tiny_service
from consumers import CountingConsumers
from live_platform import LivePlatform, kill

from rung.lake import Lake

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

pytestmark = [pytest.mark.fault, pytest.mark.long]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An A/B test under load, some seconds old, with too little evidence to decide."""

    platform: LivePlatform
    incumbent: str
    challenger: str
    consumers: CountingConsumers
    watcher: subprocess.Popen[str]
    """`rung promote`."""

    def release(self) -> None:
        """Let the consumers report what they know."""
        self.consumers.report_share = 1.0

    def experiment(self) -> str:
        """Name the A/B test that runs."""
        (service,) = self.platform.ask("status")["services"]
        return service["majors"][0]["experiment"]["id"]


@pytest.fixture
def running(platform: LivePlatform) -> Iterator[Running]:
    now = next(name for name, state in platform.states().items() if state == "incumbent")
    challenger = next_candidate(platform)
    right = {now: 0.4, challenger: 0.8}
    few = {"report_share": 0.02, "requests_per_second": 20.0}
    with CountingConsumers(gateway=platform.gateway, right=right, **few) as consumers:
        watcher = platform.begin_command("promote", challenger, "--ignore-plan")
        platform.wait(lambda: platform.revision(challenger)["state"] == "experimenting")
        consumers.requests_per_second = 90.0
        platform.wait(lambda: consumers.by_revision[challenger] >= 20)
        yield Running(platform=platform, incumbent=now, challenger=challenger, consumers=consumers, watcher=watcher)


def slope(minor: int) -> float:
    """Give each revision's slope: each next one is a little better."""
    return 0.9 + minor / 10


def test_killed_control_plane_loses_nothing(running: Running):
    platform = running.platform
    before, experiment = platform.recorded(), running.experiment()

    kill(platform.address.pid)
    answered = len(running.consumers.answered)
    time.sleep(2)  # of production without a control plane
    assert platform.ask("status", expect=3)["error"]["code"] == "control_plane"
    assert len(running.consumers.answered) > answered
    platform.rung("up", "--detach")

    assert pids(platform) == {name: process.pid for name, process in before.items()}
    assert running.experiment() == experiment
    running.release()
    assert running.watcher.wait(60) == 0
    hold_that_nothing_was_lost(running)


def test_killed_promote_command_loses_nothing(running: Running):
    kill(running.watcher.pid)
    running.release()
    watched_again = running.platform.rung("promote", running.challenger, "--ignore-plan", expect=None)
    # either it still ran and was watched to its end, or it had ended: then there is nothing to promote
    assert watched_again.returncode == 0 or f"{running.challenger} is incumbent" in watched_again.stderr
    hold_that_nothing_was_lost(running)


def test_killed_worker_loses_nothing(running: Running):
    master = psutil.Process(running.platform.recorded()[running.incumbent].pid)
    workers = {child.pid for child in master.children()}
    assert len(workers) == 2

    kill(min(workers))

    running.platform.wait(lambda: len({child.pid for child in master.children()} - workers) == 1)
    running.release()
    assert running.watcher.wait(60) == 0
    # What the worker had logged and not yet answered is asked again of the other one, and logged by it too: a call of
    # the model at most.
    hold_that_nothing_was_lost(running, logged_twice=2)


def test_interrupted_promote_command_stops_nothing(running: Running):
    running.watcher.send_signal(signal.SIGINT)
    told, _ = running.watcher.communicate(timeout=60)
    assert running.watcher.returncode == 130
    assert f"the promotion of {running.challenger} goes on without you" in told
    assert running.platform.revision(running.challenger)["state"] == "experimenting"

    running.release()
    running.platform.wait(lambda: running.platform.revision(running.challenger)["state"] == "incumbent")
    hold_that_nothing_was_lost(running)


def test_one_of_two_promotions_wins(platform: LivePlatform):
    rivals = [next_candidate(platform), next_candidate(platform)]
    watchers = {name: platform.begin_command("promote", name, "--ignore-plan") for name in rivals}
    platform.wait(lambda: any(watcher.poll() is not None for watcher in watchers.values()))
    (loser,) = [name for name, watcher in watchers.items() if watcher.poll() is not None]
    (winner,) = set(rivals) - {loser}

    told, _ = watchers[loser].communicate()
    assert watchers[loser].returncode == 2
    assert "another promotion of tiny.v1 is under way" in told
    assert platform.revision(loser)["state"] == "candidate"
    assert platform.revision(winner)["state"] == "testing"

    platform.rung("teardown", winner, "--because", "enough was seen")
    assert watchers[winner].wait(60) == 1
    assert platform.revision(winner)["state"] == "torn_down"
    assert "enough was seen" in platform.revision(winner)["reason"]


def test_what_answers_production_begins_first_on_a_machine_that_comes_up_again(platform: LivePlatform):
    states = platform.states()
    incumbent = next(name for name, state in states.items() if state == "incumbent")
    benchmark = next(name for name, state in states.items() if state == "candidate")
    known = {name: len(platform.server_log(name).splitlines()) for name in (benchmark, incumbent)}
    kill(platform.address.pid)
    for pid in pids(platform).values():
        with suppress(psutil.NoSuchProcess):  # a worker whose server has just been killed ends by itself
            for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
                process.kill()

    platform.rung("up", "--detach")

    platform.wait(lambda: all(platform.revision(name)["ready"] for name in (benchmark, incumbent)))
    told = {
        name: [json.loads(line) for line in platform.server_log(name).splitlines()[before:] if line.startswith("{")]
        for name, before in known.items()
    }
    assert min(line["time"] for line in told[incumbent]) < min(line["time"] for line in told[benchmark])


def next_candidate(platform: LivePlatform) -> str:
    """Deploy a revision that is a little better than the one before."""
    minor = len(platform.states())
    tiny_service.change(platform.root, f"slope: float = {slope(minor - 1)}", f"slope: float = {slope(minor)}")
    tiny_service.document(platform.root, minor)
    return platform.deploy("tiny")


def pids(platform: LivePlatform) -> dict[str, int]:
    """Give the pids of gateway, collector and servers, by name."""
    return {name: process.pid for name, process in platform.recorded().items()}


def hold_that_nothing_was_lost(running: Running, *, logged_twice: int = 0) -> None:
    """Every answer and every outcome that was acknowledged is in the lake once, and the better one was promoted.

    Args:
        running: The promotion.
        logged_twice: Answers that may be there twice, at most.
    """
    platform, consumers = running.platform, running.consumers
    platform.wait(lambda: platform.revision(running.challenger)["state"] == "incumbent")
    assert platform.revision(running.incumbent)["state"] == "retired"
    consumers.stop()
    assert consumers.failures == []
    assert all(len(revisions) == 1 for revisions in consumers.arms.values())

    lake = Lake(platform.place.lake, logs=platform.place.predictions)
    lake.ship()
    predictions = Counter(lake.predictions().filter(kind="production").select("id").collect()["id"].to_list())
    # rows are as they came in; one that was sent again is told from one that was shipped twice by its time
    rows = lake.outcomes().select("id", "received").collect()
    outcomes = Counter(rows["id"].to_list())
    assert {predictions[identity] for identity in consumers.answered} <= {1, 2}
    assert sum(predictions[identity] == 2 for identity in consumers.answered) <= logged_twice
    assert not rows.is_duplicated().any()
    assert {outcomes[identity] for identity in consumers.outcomes - consumers.resent.keys()} == {1}
    assert consumers.outcomes <= outcomes.keys(), consumers.resent
    assert len(consumers.outcomes) > 50
