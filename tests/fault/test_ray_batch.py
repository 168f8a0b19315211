"""A node that does not see the workspace's folder is lost with a worker of a batch: no row is, and none comes twice."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import polars as pl
import psutil
import pytest
import tiny_service
from live_platform import live_platform
from object_store import serving_objects
from ray_cluster import can_hide, ray_cluster

from rung.objects import open_objects

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.fault, pytest.mark.long]

NODES = ("127.0.0.8", "127.0.0.9")
ROWS = 60_000


def workers_in(folder: Path) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline"])
    return [one for one in found if (one.info["cmdline"] or ("",))[-1].startswith(f"{folder}/")]


@pytest.mark.skipif(not can_hide(), reason="this machine does not let a process have mounts of its own")
def test_batch_outlives_a_node_with_a_worker(monkeypatch: pytest.MonkeyPatch):
    with ExitStack() as opened:
        store = opened.enter_context(serving_objects())
        for name, value in store.variables.items():
            monkeypatch.setenv(name, value)
        storage = store.bucket()
        cluster = opened.enter_context(ray_cluster(cpus=0))
        platform = opened.enter_context(live_platform())
        tiny_service.write(platform.root)
        with (platform.root / "rung.toml").open("a") as settings:
            settings.write(f'storage = "{storage}"\n')
        platform.rung("up", "--detach")
        platform.commit()
        platform.ask("deploy", "training", "tiny")
        for node in NODES:
            cluster.add(node, cpus=1, hides=platform.folder)
        rows = {"id": range(ROWS), "x": [number % 600 for number in range(ROWS)]}
        pl.DataFrame(rows).write_parquet(platform.root / "in.parquet")
        words = ("predict", "tiny.v1.m0", "--input", "in.parquet", "--output", "out.parquet", "--parallel", "2")
        command = platform.begin_command(*words, "--compute", "ray", "--address", cluster.address, "--json")
        finished = platform.root / ".rung" / "batches"
        platform.wait(lambda: all(workers_in(cluster.state_of(node)) for node in NODES), within_s=90)
        platform.wait(lambda: len(list(finished.glob("*/*/0*.json"))) > 2)
        cluster.kill(NODES[0])
        platform.wait(lambda: not workers_in(cluster.state_of(NODES[0])))
        said, _ = command.communicate(timeout=120)  # another worker waits for a machine, which there is not
        told = json.loads(said[said.index("{") :])
        assert (told["predicted"], told["refused"]) == (ROWS, 0)
        frame = pl.read_parquet(platform.root / "out.parquet")
        assert frame["id"].to_list() == list(range(ROWS))
        assert frame["row"].to_list() == list(range(1, ROWS + 1))
        assert not list(open_objects(storage).entries("batches"))
