"""Both computes that are shipped hold to the contract: this machine's, and a real Ray cluster's."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest
from ray_cluster import HEAD, RayCluster, ray_cluster
from waiting import until

from rung.artifacts import LocalStore, WriteThroughStore, digest_of
from rung.compute import local
from rung.compute.contract import SMALL, ComputeContract
from rung.compute.here import LocalCompute
from rung.compute.local import Command
from rung.compute.parcels import take_back
from rung.compute.protocol import Work
from rung.compute.ray import RayCompute
from rung.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Shop
    from rung.compute.protocol import Compute, Handle, Parcel


TRAINING_AWAY = """
import os, pathlib, sys, time
run = pathlib.Path(sys.argv[1])
run.mkdir(parents=True, exist_ok=True)
with (run / "started").open("a") as started:
    print(os.getpid(), file=started)
while not (run / "go").exists():
    time.sleep(0.05)
print("trained")
sys.exit(3)
"""
STEPS_AWAY = """
import json, os, pathlib, sys, time
from rung.artifacts import LocalStore
state = pathlib.Path(sys.argv[1]).parents[1]
store, step = LocalStore(state / "artifacts"), state / "cache" / "tasks" / "load.json"
if step.exists():
    print("found", store.get(json.loads(step.read_text())["digest"]))
    sys.exit(0)
step.parent.mkdir(parents=True)
written = step.with_suffix(".partial")
written.write_text(json.dumps({"digest": store.put(b"loaded"), "pid": os.getpid()}))
written.rename(step)
time.sleep(600)
"""
ANOTHER_LIFE = """
import sys
import ray
from rung.compute.ray import _keeper
ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
_keeper._put(_keeper._life_of(sys.argv[2]), "another")
"""
"""What the actor writes that Ray makes on another node, when this one does not answer and yet lives."""


def until_some(look: Callable[[], list[Path]]) -> list[Path]:
    until(lambda: bool(look()))
    return look()


@contextmanager
def away(compute: RayCompute, shop: Shop, parcel: Parcel, script: str) -> Iterator[Handle]:
    """Begin work whose folder no node sees as long as the block lasts."""
    command = Command(
        argv=(f"{parcel.environment}/bin/python", "-c", script, f"{shop.state}/runs/r1"),
        folder=shop.source,
        environment={},
        log=shop.state / "job" / "log",
        exit_file=shop.state / "job" / "exit_code",
    )
    hidden = shop.source.with_name("hidden")
    work = Work(name="away", command=command, machine=SMALL, parcel=parcel, resumes=True)
    try:
        yield compute.start(work, record=lambda _: shop.source.rename(hidden) and None)
    finally:
        hidden.rename(shop.source)


def words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def actor_of(pid: int) -> psutil.Process:
    [guard] = [one for one in psutil.process_iter() if f'"pid": {pid},' in " ".join(words(one))]
    return psutil.Process(json.loads(guard.cmdline()[-1])["owner"]["pid"])


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
            driver.suspend()  # so that it dies while a question waits
        with ThreadPoolExecutor(1) as pool:
            waits = pool.submit(compute.observe, [handle])
            until(lambda: compute._bridge._driver._waiting)  # noqa: SLF001  else it may be asked when it is dead
            for driver in drivers:
                driver.kill()
            with pytest.raises(UnavailableError, match="ended without a word"):
                waits.result(60)
        assert compute.observe([handle])[0].state in {"starting", "running"}

    def test_server_whose_actor_died_is_begun_again_and_leaves_nothing(
        self, compute: RayCompute, begin: Callable[..., Handle], tmp_path: Path
    ):
        handle = begin("import os, time; print(os.getpid(), flush=True); time.sleep(600)", socket_path="any")
        log = tmp_path / "log"
        until(lambda: log.exists() and log.read_text().endswith("\n"))
        first = int(log.read_text())
        endpoint = compute.observe([handle])[0].endpoint
        actor_of(first).kill()
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

    def test_work_that_lacks_something_on_its_node_says_what(self, compute: RayCompute, shop: Shop):
        parcel = replace(shop.parcel, artifacts=(f"sha256:{'0' * 64}",))
        with away(compute, shop, parcel, "pass") as handle:
            until(lambda: compute.observe([handle])[0].state == "ended")
        because = compute.observe([handle])[0].because
        assert because.startswith(f"on {HEAD}: artifact sha256:0000")

    def test_training_away_goes_on_elsewhere_from_what_it_has_kept(
        self, compute: RayCompute, shop: Shop, cluster: RayCluster, tmp_path: Path
    ):
        parcel = replace(shop.parcel, returns=("job",), steps="cache/tasks")
        with away(compute, shop, parcel, STEPS_AWAY) as handle:
            nodes = cluster.state_of(HEAD) / "rung" / "nodes"
            [step] = until_some(lambda: list(nodes.glob("*/cache/tasks/load.json")))
            kept = digest_of(step.read_bytes())
            until(lambda: WriteThroughStore(LocalStore(tmp_path), shop.objects).has(kept))
            time.sleep(1)  # for the head to be told
            actor = actor_of(json.loads(step.read_text())["pid"])
            step.parents[2].rename(nodes / "lost")
            actor.kill()
            until(lambda: compute.observe([handle])[0].state == "ended")
        [seen] = compute.observe([handle])
        take_back(shop.objects, tmp_path, seen.returned, allowed=("job",))
        assert (seen.exit_code, (tmp_path / "job" / "log").read_text()) == (0, "found b'loaded'\n")

    def test_training_away_runs_once_though_what_it_left_cannot_be_given_back_at_once(
        self, compute: RayCompute, shop: Shop, cluster: RayCluster, tmp_path: Path
    ):
        with away(compute, shop, shop.parcel, TRAINING_AWAY) as handle:
            nodes = cluster.state_of(HEAD) / "rung" / "nodes"
            [node] = until_some(
                lambda: [one for one in nodes.glob("*/runs/r1/started") if one.read_text().endswith("\n")]
            )
            actor = actor_of(int(node.read_text()))
            stored = shop.objects.folder / "artifacts"
            stored.rename(shop.objects.folder / "away")
            stored.symlink_to("nowhere")  # the storage does not take anything
            node.with_name("go").touch()
            [code] = until_some(lambda: list(node.parents[2].glob(f"works/{handle['actor']}/exit_code")))
            assert code.read_text() == "3\n"
            assert compute.observe([handle])[0].state == "running"  # it has not ended before all of it is back
            actor.kill()
            stored.unlink()
            (shop.objects.folder / "away").rename(stored)
            until(lambda: compute.observe([handle])[0].state == "ended")
        [seen] = compute.observe([handle])
        allowed = (*shop.parcel.returns, "job/log", "job/exit_code")
        take_back(shop.objects, tmp_path, seen.returned, allowed=allowed)
        assert seen.exit_code == 3
        assert (tmp_path / "job" / "log").read_text() == "trained\n"
        assert (tmp_path / "runs/r1/started").read_text().count("\n") == 1

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
    assert time.monotonic() - begun < 30
