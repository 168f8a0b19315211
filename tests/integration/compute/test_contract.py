"""Both computes that are shipped hold to the contract: this machine's, and a real Ray cluster's."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import deque
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import psutil
import pytest
from ray_cluster import RayCluster, ray_cluster

from rung.compute import local
from rung.compute.contract import SMALL, ComputeContract
from rung.compute.here import LocalCompute
from rung.compute.local import Command
from rung.compute.protocol import Work
from rung.compute.ray import RayCompute
from rung.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rung.compute.protocol import Compute, Handle


ANOTHER_LIFE = """
import sys
import ray
from rung.compute.ray import _keeper
ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
_keeper._put(_keeper._life_of(sys.argv[2]), "another")
"""
"""What the actor writes that Ray makes on another node, when this one does not answer and yet lives."""


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


class TestLocalCompute(ComputeContract):
    bounded = False

    @pytest.fixture
    def make(self) -> Callable[[], Compute]:
        return LocalCompute


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def two(cluster: RayCluster) -> Iterator[list[RayCompute]]:
    with ExitStack() as opened:
        yield [opened.enter_context(closing(RayCompute(cluster.address, "contract"))) for _ in range(2)]


class TestRayCompute(ComputeContract):
    @pytest.fixture
    def make(self, two: list[RayCompute]) -> Callable[[], Compute]:
        return iter(two).__next__

    def test_driver_that_died_is_replaced(self, compute: RayCompute, begin: Callable[..., Handle]):
        handle = begin("import time; time.sleep(600)")
        drivers = [one for one in psutil.Process().children() if "rung.compute.ray._driver" in one.cmdline()]
        for driver in drivers:
            driver.kill()
        with pytest.raises(UnavailableError, match="ended without a word"):
            deque((compute.observe([handle]) for _ in range(10_000)), maxlen=0)
        assert compute.observe([handle])[0].state in {"starting", "running"}

    def test_server_whose_actor_died_is_begun_again_and_leaves_nothing(
        self, compute: RayCompute, begin: Callable[..., Handle], tmp_path: Path
    ):
        handle = begin("import os, time; print(os.getpid(), flush=True); time.sleep(600)", socket_path="any")
        log = tmp_path / "log"
        until(lambda: log.exists() and log.read_text().endswith("\n"))
        first = int(log.read_text())
        endpoint = compute.observe([handle])[0].endpoint
        [guard] = [one for one in psutil.process_iter() if f'"pid": {first},' in " ".join(words(one))]
        psutil.Process(json.loads(guard.cmdline()[-1])["owner"]["pid"]).kill()
        until(lambda: log.read_text().count("\n") == 2)
        assert local.find(first) is None
        until(lambda: compute.observe([handle])[0].endpoint not in {None, endpoint})

    def test_training_that_was_begun_elsewhere_gives_way(
        self, begin: Callable[..., Handle], cluster: RayCluster, tmp_path: Path
    ):
        handle = begin("import os, time; print(os.getpid(), flush=True); time.sleep(600)", resumes=True)
        log = tmp_path / "log"
        until(lambda: log.exists() and log.read_text().endswith("\n"))
        subprocess.run([sys.executable, "-c", ANOTHER_LIFE, cluster.address, handle["actor"]], check=True)
        until(lambda: local.find(int(log.read_text().split()[0])) is None)
        assert log.read_text().count("\n") == 1
        until(lambda: log.read_text().count("\n") == 2)
        assert not (tmp_path / "exit_code").exists()

    def test_folder_that_the_node_does_not_see_is_named(self, compute: RayCompute, tmp_path: Path):
        folder = tmp_path / "unseen"
        folder.mkdir()
        work = Work(name="unseen", command=Command(argv=("true",), folder=folder, environment={}), machine=SMALL)
        handle = compute.start(work, record=lambda _: folder.rmdir())
        until(lambda: compute.observe([handle])[0].state == "ended")
        assert compute.observe([handle])[0].because.startswith(f"on 127.0.0.2: {folder} is not a folder")

    def test_token_of_the_cluster_does_not_reach_the_command(
        self, compute: RayCompute, begin: Callable[..., Handle], tmp_path: Path
    ):
        names = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
        handle = begin("import os; print(sorted(os.environ))", **dict.fromkeys(names, "secret"), LETTER="z")
        until(lambda: compute.observe([handle])[0].state == "ended")
        told = (tmp_path / "log").read_text()
        assert "LETTER" in told
        assert not any(name in told for name in names)


def test_cluster_that_is_not_there_is_told_at_once():
    begun = time.monotonic()
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.2:1 is not to be had.*--address=127\.0\.0\.2:1$"):
        RayCompute("127.0.0.2:1", "nobody").stop({"actor": "none"})
    assert time.monotonic() - begun < 1
