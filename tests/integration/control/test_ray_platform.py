"""A platform on a Ray cluster: trained there, served there, found again by the next control plane, and given back.

At last there is a node that does not see the workspace's folder, and what it needs travels through the storage.
"""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import httpx2
import polars as pl
import psutil
import pytest
import tiny_service
import tuned_shop
from live_platform import LivePlatform, live_platform
from ray_cluster import HEAD, RayCluster, can_hide, ray_cluster

from rung.artifacts import LocalStore
from rung.lake import Lake
from rung.objects import open_objects
from rung.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from object_store import ObjectStore

pytestmark = pytest.mark.long

NAME = "tiny.v1.m0"
FAR = "127.0.0.5"


@pytest.fixture(scope="module")
def storage(object_store: ObjectStore) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in object_store.variables.items():
            patch.setenv(name, value)
        yield object_store.bucket()


@pytest.fixture(scope="module")
def cluster(storage: str) -> Iterator[RayCluster]:
    del storage  # nodes take what leads there from their environment
    with ray_cluster(cpus=4) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def platform(cluster: RayCluster, storage: str) -> Iterator[LivePlatform]:
    with live_platform() as platform:
        tiny_service.write(platform.root)
        with (platform.root / "rung.toml").open("a") as settings:
            settings.write(f'storage = "{storage}"\n')
        up(platform, cluster)
        platform.deploy("tiny")
        yield platform


def up(platform: LivePlatform, cluster: RayCluster) -> None:
    platform.rung("up", "--detach", "--compute", "ray", "--address", cluster.address)


def handles(platform: LivePlatform) -> dict[str, dict[str, Any]]:
    with open_registry(platform.place.workspace.state) as registry:
        return {name: handle for name, handle in registry.processes().items() if "actor" in handle}


def predicted(platform: LivePlatform, minor: int = 0) -> int:
    return ask(platform, minor).status_code


def ask(platform: LivePlatform, minor: int) -> httpx2.Response:
    path = f"{platform.gateway}/tiny/v1/m{minor}/predict"
    return httpx2.post(path, json={"instances": [{"x": 3}]}, timeout=20)


def test_it_is_trained_and_served_on_the_cluster(platform: LivePlatform):
    job = json.loads((platform.root / f".rung/revisions/{NAME}/jobs/training/job.json").read_text())
    assert job["process"]["actor"].startswith(f"{NAME}-training-")
    assert predicted(platform) == 200
    assert set(handles(platform)) == {NAME}
    revision = platform.revision(NAME)
    assert (revision["ready"], revision["servers"]) == (True, 1)


def test_its_server_answers_the_gateway_alone(platform: LivePlatform):
    """It listens on an address, where others could tell it which arm of an experiment they are."""
    master = psutil.Process(platform.recorded()[NAME].pid)
    words = master.cmdline()
    address = words[words.index("--bind") + 1]
    assert address.startswith(f"{HEAD}:")
    for headers in ({}, {"x-rung-server-token": "guessed"}):
        for path in ("predict", "readyz", "metrics"):
            answer = httpx2.post(f"http://{address}/{path}", json={"instances": [{"x": 3}]}, headers=headers)
            assert answer.status_code == 401
    given = {"x-rung-server-token": "mine"}
    path = f"{platform.gateway}/tiny/v1/m0/predict"
    assert httpx2.post(path, json={"instances": [{"x": 3}]}, headers=given).status_code == 200


def test_batch_is_predicted_on_the_cluster(platform: LivePlatform, cluster: RayCluster, tmp_path: Path):
    (tmp_path / "in.csv").write_text("x\n" + "3\n" * 6_000)
    words = ("predict", NAME, "--input", str(tmp_path / "in.csv"), "--output", str(tmp_path / "out.ndjson"))
    told = platform.ask(*words, "--compute", "ray", "--address", cluster.address, "--parallel", "2")
    assert (told["predicted"], told["refused"], told["workers"]) == (6_000, 0, 2)
    assert (tmp_path / "out.ndjson").read_text().count('"revision": "tiny.v1.m0"') == 6_000


def test_next_control_plane_finds_it(platform: LivePlatform, cluster: RayCluster):
    before = handles(platform)
    psutil.Process(platform.address.pid).kill()
    assert predicted(platform) == 200
    up(platform, cluster)
    platform.wait(lambda: platform.revision(NAME)["ready"])
    assert handles(platform) == before
    assert predicted(platform) == 200


def test_teardown_gives_its_machine_back(platform: LivePlatform):
    platform.rung("teardown", NAME)
    platform.wait(lambda: not handles(platform))
    assert not [one for one in platform.processes() if "rung.serving.server" in " ".join(one.cmdline())]


def servers_of(state: Path) -> list[psutil.Process]:
    """Find the servers that have a folder of this name; others may run here, too."""
    found = psutil.process_iter(["cmdline", "environ"])
    servers = [one for one in found if "rung.serving.server" in (one.info["cmdline"] or ())]
    return [one for one in servers if (one.info["environ"] or {}).get("RUNG_STATE") == str(state)]


@pytest.fixture(scope="module")
def far(platform: LivePlatform, cluster: RayCluster) -> Path:
    """A node that does not see the workspace's folder, and takes all work, as only it says that it has disk."""
    if not can_hide():
        pytest.skip("this machine does not let a process have mounts of its own (unshare --mount)")
    cluster.add(FAR, cpus=4, disk_gib=50, hides=platform.folder)
    tiny_service.change(platform.root, "slope: float = 0.0", "slope: float = 1.0")
    tiny_service.document(platform.root, 1)
    platform.deploy("tiny")
    [folder] = (cluster.state_of(FAR) / "rung" / "nodes").iterdir()
    return folder


def test_it_is_trained_where_the_folder_is_not_seen(platform: LivePlatform, far: Path):
    state = platform.place.workspace.state
    [run] = [one for one in platform.ask("runs", "list", "tiny") if one["revision"] == "tiny.v1.m1"]
    assert (far / "runs" / run["id"] / "run.json").is_file()
    assert (state / "runs" / run["id"] / "build_model.artifact").is_file()
    assert "succeeded" in (state / "revisions/tiny.v1.m1/jobs/training/log").read_text()
    job = json.loads((state / "revisions/tiny.v1.m1/jobs/training/job.json").read_text())
    assert not any(name.startswith("AWS_") for name in job["environment"])
    platform.rung("verify", "tiny.v1.m1")
    platform.rung("reproduce", "tiny.v1.m1")


def test_it_is_served_where_the_folder_is_not_seen(platform: LivePlatform, far: Path):
    assert ask(platform, 1).json()["predictions"] == [{"y": 3.0}]
    server = servers_of(far)[0]
    assert server.environ()["PYTHONPATH"] == f"{far}/revisions/tiny.v1.m1/source"
    assert not any(str(platform.folder) in word for word in server.cmdline())
    assert not any(name.startswith("AWS_") for name in server.environ())
    platform.wait(lambda: "Listening at" in platform.rung("logs", "tiny.v1.m1", "--server").stdout)


def test_what_it_answered_there_is_in_the_lake_once(platform: LivePlatform, far: Path, storage: str):
    answered = [ask(platform, 1).headers["x-request-id"] for _ in range(20)]
    lake = Lake(f"{storage}/lake", logs=platform.place.predictions)

    def kept() -> list[str]:
        rows = lake.predictions().select("id").collect()["id"].to_list()
        return [one for one in rows if one in set(answered)]

    platform.wait(lambda: len(kept()) >= len(answered))
    platform.rung("teardown", "tiny.v1.m1")
    platform.wait(lambda: not handles(platform))
    platform.wait(lambda: not list((far / "lake" / "log").glob("*.jsonl")))
    assert sorted(kept()) == sorted(answered)


def inputs(folder: Path, rows: int) -> tuple[str, ...]:
    """Write rows, and give the words that ask for their predictions."""
    pl.DataFrame({"id": range(rows), "x": [number % 600 for number in range(rows)]}).write_parquet(
        folder / "in.parquet"
    )
    return ("predict", "tiny.v1.m1", "--input", str(folder / "in.parquet"), "--output", str(folder / "out.parquet"))


def workers_of(folder: Path) -> list[psutil.Process]:
    """Find the workers of batches whose parts lie there."""
    found = psutil.process_iter(["cmdline"])
    return [one for one in found if f"{folder}/batches" in (one.info["cmdline"] or ("",))[-1]]


def test_batch_is_predicted_where_the_folder_is_not_seen(
    platform: LivePlatform, far: Path, cluster: RayCluster, storage: str
):
    """The command is killed, and a worker of the next one; neither costs a row, nor leaves anything in the storage."""
    words = (*inputs(cluster.folder, 40_000), "--compute", "ray", "--address", cluster.address, "--parallel", "2")
    done, old = platform.root / ".rung" / "batches", LocalStore(far / "artifacts")
    unused = old.put(b"of work long ago")
    os.utime(old.path(unused), (1, 1))
    first = platform.begin_command(*words)
    platform.wait(lambda: list(done.glob("*/*/0*.json")))
    first.kill()
    first.wait()
    before = {one.pid for one in workers_of(far)}
    assert before
    second = platform.begin_command(*words, "--json")
    platform.wait(lambda: [one for one in workers_of(far) if one.pid not in before])
    finished = len(list(done.glob("*/*/0*.json")))
    platform.wait(lambda: len(list(done.glob("*/*/0*.json"))) > finished)
    next(one for one in workers_of(far) if one.pid not in before).kill()
    said, _ = second.communicate(timeout=120)
    told = json.loads(said[said.index("{") :])
    assert (told["predicted"], told["refused"]) == (40_000, 0)
    assert told["resumed"] > 0
    frame = pl.read_parquet(cluster.folder / "out.parquet")
    assert frame["id"].to_list() == list(range(40_000))
    assert frame["y"].to_list() == [float(number % 600) for number in range(40_000)]
    platform.wait(lambda: not workers_of(far))  # those of the first command hear that nobody wants theirs
    assert not list(open_objects(storage).entries("batches"))
    assert not old.has(unused)


def test_study_is_the_same_where_the_folder_is_not_seen(
    platform: LivePlatform, far: Path, cluster: RayCluster, storage: str
):
    (platform.root / "experiments/tiny/train/main.py").write_text(tuned_shop.MAIN)
    words = ("tune", "tiny", "--trials", "3", "--parallel", "2", "--seeds", "0")
    away = platform.ask(*words, "--study", "away", "--compute", "ray", "--address", cluster.address)
    here = platform.ask(*words, "--study", "here")
    tried = [[(one["values"], one["value"], one["state"]) for one in study["trials"]] for study in (away, here)]
    assert tried[0] == tried[1]
    runs = platform.place.workspace.runs
    for one in away["trials"]:
        assert (far / "runs" / one["run"] / "run.json").is_file()
        record = json.loads((runs / one["run"] / "run.json").read_text())
        assert record["dirty"]
        assert (runs / one["run"] / "diff.patch").is_file()
        assert [task["state"] for task in record["tasks"]][:1] == ["cached" if one["number"] else "ran"]
    keys = [task["key"] for task in record["tasks"] if task["state"] == "ran"]
    assert all((platform.place.workspace.cache / "tasks" / f"{key}.json").is_file() for key in keys)
    assert not list(open_objects(storage).entries("studies"))
    platform.rung("reproduce", away["trials"][1]["run"])


def test_training_that_fits_no_machine_says_so(platform: LivePlatform):
    tiny_service.change(platform.root, "vcpus=1", "vcpus=512", file="infrastructure/hardware.py")
    tiny_service.document(platform.root, 2)
    platform.commit()
    waiting = platform.begin_command("deploy", "training", "tiny")

    def told() -> list[str]:
        attempts = platform.api("/revisions/tiny.v1.m2/why")
        events = attempts.json()["events"] if attempts.is_success else []
        return [event["because"] for event in events if event["kind"] == "training_machine"]

    platform.wait(lambda: any("no machine has 512 vCPUs" in because for because in told()))
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=60)
