"""A local training with a storage: its outputs are there before it is on record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from object_store import faults_before, variables

from rung.objects import open_objects
from rung.registry import open_registry

if TYPE_CHECKING:
    from object_store import ObjectStore

    from conftest import Place


def registered(place: Place) -> list[str]:
    with open_registry(place.root / ".rung") as registry:
        return [run["id"] for run in registry.runs()]


def test_run_is_in_the_storage(toy: Place, storage: str):
    run, objects = toy.train("toy"), open_objects(storage)
    assert registered(toy) == [run.id]
    for name in ("run.json", "log.txt", "environment.txt"):
        assert objects.read(f"runs/{run.id}/{name}") == (toy.folder(run) / name).read_bytes()
    kept = {entry.key.replace("/", "") for entry in objects.entries("artifacts")}
    assert kept == {digest.replace("sha256:", "artifacts") for digest in run.artifacts.values()}


@pytest.mark.parametrize("what", ["artifacts/", "runs/"])
def test_run_that_is_not_kept_is_not_on_record(toy: Place, object_store: ObjectStore, storage: str, what: str):
    with faults_before(object_store) as between:
        between.fault = lambda method, path: "before" if method == "PUT" and f"/shop/{what}" in path else None
        environment = variables(f"http://127.0.0.1:{between.port}")
        ended = toy.python("-m", "rung.cli", "train", "toy", environment=environment)
        assert ended.returncode == 3
        assert f"did not take {what}" in ended.stderr
        assert registered(toy) == []
        between.fault = lambda _method, _path: None
        again = toy.python("-m", "rung.cli", "train", "toy", "--json", environment=environment)
    record = json.loads(again.stdout)
    assert {task["state"] for task in record["tasks"]} == {"cached"}
    assert registered(toy) == [record["id"]]
    assert open_objects(storage).size(f"runs/{record['id']}/run.json")


def test_deployed_training_leaves_it_to_the_platform(toy: Place, storage: str):
    environment = {"RUNG_REVISION": "toy.v1.m0", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    toy.train("toy", environment=environment)
    assert list(open_objects(storage).entries()) == []
