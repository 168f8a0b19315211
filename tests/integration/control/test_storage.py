"""A platform whose artifacts and tables are in an object store: what lies on its machine may be lost."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import httpx2
import psutil
import pytest
import tiny_platform
from live_platform import LivePlatform, live_platform
from object_store import Faults, careless_objects, faults_before, variables

from rung.backup import read_manifest
from rung.lake import Lake
from rung.objects import open_objects
from rung.registry import open_registry
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from object_store import ObjectStore

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def between(object_store: ObjectStore) -> Iterator[Faults]:
    """What stands between the platform and its storage."""
    with faults_before(object_store) as faults:
        yield faults


@pytest.fixture(scope="module")
def storage(object_store: ObjectStore, between: Faults) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables(f"http://127.0.0.1:{between.port}").items():
            patch.setenv(name, value)
        yield object_store.bucket()


@pytest.fixture(scope="module")
def platform(storage: str) -> Iterator[LivePlatform]:
    """A platform whose tiny.v1.m1 answers production, and has answered some."""
    with live_platform() as platform:
        with (platform.root / "rung.toml").open("a") as settings:
            settings.write(f'storage = "{storage}"\n')
        tiny_platform.begin(platform)
        platform.wait(lambda: answers(platform))
        ask(platform, 20)
        yield platform


def ask(platform: LivePlatform, times: int) -> list[str]:
    """Have numbers doubled; give the ids of the predictions."""
    found = []
    with httpx2.Client(base_url=platform.gateway, verify=False, timeout=10) as http:
        for x in range(times):
            answer = http.post("/tiny/v1/predict", json={"instances": [{"x": x}]}, headers={"x-unit-id": f"u{x}"})
            answer.raise_for_status()
            assert answer.headers["x-revision"] == "tiny.v1.m1"
            found.append(answer.headers["x-request-id"])
    return found


def answers(platform: LivePlatform) -> bool:
    try:
        return len(ask(platform, 1)) == 1
    except (httpx2.HTTPError, KeyError):
        return False


def evidence(platform: LivePlatform) -> Any:
    """What people see of why a revision is what it is; the gateway's port is another one after each start."""
    return json.loads(json.dumps(platform.ask("why", "tiny.v1.m1")).replace(platform.gateway, "gateway"))


def history(platform: LivePlatform) -> list[str]:
    """What people see of the past."""
    return platform.rung("history", "tiny.v1", "--events").stdout.splitlines()


def test_revision_is_in_the_storage(platform: LivePlatform, storage: str):
    keys = {entry.key for entry in open_objects(storage).entries()}
    for name in ("tiny.v1.m0", "tiny.v1.m1"):
        assert {f"revisions/{name}/{part}" for part in ("source.tar", "requirements.lock", "bundle.json")} <= keys
    with open_registry(platform.place.workspace.state) as registry:
        runs = registry.runs()
    assert {f"runs/{run['id']}/{name}" for run in runs for name in ("run.json", "log.txt", "environment.txt")} <= keys
    digests = {task["digest"].removeprefix("sha256:") for run in runs for task in run["tasks"]}
    assert {f"artifacts/{digest[:2]}/{digest[2:]}" for digest in digests} <= keys


def test_local_run_is_in_the_storage(platform: LivePlatform, storage: str):
    run = platform.ask("train", "tiny")
    unchanged = platform.ask("train", "tiny")
    for one in (run, unchanged):
        kept = open_objects(storage).read(f"runs/{one['id']}/run.json")
        assert kept is not None
        assert json.loads(kept)["status"] == "succeeded"


def test_predictions_are_in_the_storage(platform: LivePlatform, storage: str):
    lake = Lake(f"{storage}/lake", logs=platform.place.predictions)
    ask(platform, 5)
    lake.ship()
    assert lake.count() >= 25
    assert not (platform.place.lake / "predictions").exists()


def test_credentials_stay_with_rung(platform: LivePlatform):
    for process in platform.recorded().values():
        for one in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
            assert not any(name.startswith("AWS_") for name in one.environ())
    job = json.loads((platform.place.workspace.state / "revisions/tiny.v1.m1/jobs/training/job.json").read_text())
    assert not any(name.startswith("AWS_") for name in job["environment"])


def test_production_goes_on_without_the_storage(platform: LivePlatform, between: Faults, storage: str):
    platform.commit()
    between.fault = lambda _method, _path: "before"
    began = platform.begin_command("deploy", "training", "tiny")
    answered = ask(platform, 20)
    platform.wait(lambda: "tiny.v1.m2" in platform.states())
    training = platform.place.revision(RevisionName.parse("tiny.v1.m2")) / "jobs" / "training" / "exit_code"
    platform.wait(training.is_file)
    platform.wait(lambda: "its training ended; s3://" in platform.rung("history", "tiny.v1", "--events").stdout)
    assert platform.states()["tiny.v1.m2"] == "training"
    answered += ask(platform, 20)

    between.fault = lambda _method, _path: None

    platform.wait(lambda: platform.states()["tiny.v1.m2"] == "trained")
    began.wait(60)
    assert open_objects(storage).size("revisions/tiny.v1.m2/bundle.json")
    lake = Lake(f"{storage}/lake", logs=platform.place.predictions)
    lake.ship()
    kept = lake.predictions().select("id").collect()["id"].to_list()
    assert len(kept) == len(set(kept))
    assert set(answered) <= set(kept)


def test_training_without_the_storage_is_refused(platform: LivePlatform, between: Faults):
    between.fault = lambda _method, _path: "before"
    refused = platform.rung("train", "tiny", "--no-cache", expect=3)
    looked = platform.rung("doctor", expect=None).stdout
    between.fault = lambda _method, _path: None
    assert "did not take probe/" in refused.stderr
    assert "not-a-secret" not in refused.stderr
    assert "did not take probe/" in looked
    assert "answers, and refuses to overwrite when told so" in platform.rung("doctor", expect=None).stdout


def test_store_without_conditional_writes_is_refused(platform: LivePlatform):
    with careless_objects(refuses=False) as url:
        refused = subprocess.run(
            [sys.executable, "-m", "rung.cli", "up"],
            cwd=platform.root,
            env={**platform.environment, "AWS_ENDPOINT_URL": url, "RUNG_STATE": str(platform.folder / "other")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert refused.returncode == 2, refused.stderr
    assert "overwrites what is there although it is told not to" in refused.stderr


def test_revision_is_exported_where_only_the_registry_is(platform: LivePlatform, storage: str, tmp_path: Path):
    there, here = platform.place.workspace.state, tmp_path / "elsewhere"
    (here / ".rung" / "keys").mkdir(parents=True)
    (here / "rung.toml").write_text(f'storage = "{storage}"\n')
    shutil.copytree(there / "keys" / "trusted", here / ".rung" / "keys" / "trusted")
    with (
        contextlib.closing(sqlite3.connect(there / "registry.db")) as registry,
        contextlib.closing(sqlite3.connect(here / ".rung" / "registry.db")) as copied,
    ):
        registry.backup(copied)

    command = [sys.executable, "-m", "rung.cli", "export", "tiny.v1.m1", "--to", "container", "--output", "image"]
    ended = subprocess.run(
        [*command, "--json"], cwd=here, env=platform.environment, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert told["signed_by"]
    assert told["artifacts"] == platform.ask("export", "tiny.v1.m1", "--to", "container", "--output", "i")["artifacts"]
    assert (here / "image/source/experiments/tiny/serve/app.py").is_file()


def test_backup_comes_back_while_traffic_goes_on(platform: LivePlatform, tmp_path: Path):
    end, answered, failures = threading.Event(), [], []

    def load() -> None:
        while not end.is_set():
            try:
                answered.extend(ask(platform, 10))
            except Exception as error:  # noqa: BLE001  # a thread's failure is the test's
                failures.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    platform.wait(lambda: len(answered) > 20)
    before = list(answered)
    made = platform.ask("backup", str(tmp_path / "backups"))
    end.set()
    thread.join()
    assert not failures
    assert made["copied_files"] > 0
    assert platform.ask("backup", "--check", str(tmp_path / "backups"))["copied_files"] == 0
    past, shown = evidence(platform), history(platform)

    platform.rung("down")
    shutil.rmtree(platform.place.workspace.state)
    platform.rung("restore", str(tmp_path / "backups"))
    platform.rung("up", "--detach")
    platform.wait(lambda: answers(platform))

    assert evidence(platform)["attempts"] == past["attempts"]
    assert evidence(platform)["revision"] == past["revision"]
    assert set(shown) <= set(history(platform))
    lake = Lake(platform.place.tables, logs=platform.place.predictions)
    lake.ship()
    kept = lake.predictions().select("id").collect()["id"].to_list()
    assert len(kept) == len(set(kept))
    assert set(before) <= set(kept)


def test_lost_state_comes_back_from_the_storage(platform: LivePlatform, tmp_path: Path):
    platform.rung("backup", str(tmp_path / "backups"))
    dump = next(file for file in read_manifest(open_objects(tmp_path / "backups")).files if "registry" in file.path)
    platform.rung("down")
    state = platform.place.workspace.state
    shutil.rmtree(state)
    with open_registry(state) as registry:
        registry.load(tmp_path / "backups" / dump.key)

    platform.rung("up", "--detach")
    platform.wait(lambda: answers(platform))

    assert (state / "revisions" / "tiny.v1.m1" / "source" / "experiments" / "tiny").is_dir()
    assert {"tiny.v1.m0": "candidate", "tiny.v1.m1": "incumbent"}.items() <= platform.states().items()
    platform.wait(lambda: platform.revision("tiny.v1.m0")["ready"])  # it begins when production answers
    platform.rung("reproduce", "tiny.v1.m1")
