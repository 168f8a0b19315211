"""What trials on a cluster run is made once for a study, from a real workspace, and carried by a real object store."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from tuned_shop import Shop, make_shop

from rung.artifacts import LocalStore, file_digest
from rung.objects import open_objects
from rung.training import RunRecord, TaskRecord
from rung.tuning._kit import Kit
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

STUDY = "tiny-1"
MAIN = "experiments/tiny/train/main.py"


@pytest.fixture
def shop(tmp_path: Path, storage: str) -> Shop:
    shop = make_shop(tmp_path)
    (shop.root / "rung.toml").write_text(f'storage = "{storage}"\n')
    return shop


@pytest.fixture
def workspace(shop: Shop) -> Workspace:
    return Workspace(root=shop.root, state=shop.root / ".rung")


def make(workspace: Workspace, *, is_new: bool = True) -> Kit:
    kit = Kit.make(workspace, "tiny", STUDY, is_new=is_new)
    assert kit is not None
    return kit


def record(tasks: list[TaskRecord]) -> RunRecord:
    told: Any = {"status": "succeeded", "started": "", "user": "", "python": "", "rung": "", "pid": 0}
    return RunRecord(id="r0", service="tiny", tasks=tasks, **told)


def test_study_keeps_the_source_that_it_began_with(shop: Shop, workspace: Workspace):
    before = make(workspace)
    shop.main.write_text(f"{shop.main.read_text()}\n# edited\n")
    again = make(workspace, is_new=False)
    assert (again.parcel, again.source, again.commit) == (before.parcel, before.source, before.commit)
    assert "# edited" not in (again.source / MAIN).read_text()
    other = make(workspace)  # the one before never began
    assert "# edited" in (other.source / MAIN).read_text()
    assert other.parcel.files != before.parcel.files


def test_all_that_a_trial_needs_is_in_the_storage_until_the_study_ends(workspace: Workspace, storage: str):
    kit, objects = make(workspace), open_objects(storage)
    order = workspace.state / "studies" / STUDY / "trials" / "r1.json"
    order.parent.mkdir()
    order.write_text("{}")
    environment = kit.python.parents[1]
    os.utime(environment, (1, 1))
    parcel = kit.parcel_of("r1", order, {})
    assert environment.stat().st_mtime > 1
    assert {objects.digest(key) for key in parcel.files} == set(parcel.files.values())
    assert parcel.files[f"studies/{STUDY}/trials/r1.json"] == file_digest(order)
    assert parcel.returns == ("runs/r1", "cache/tasks")
    kit.close(STUDY)
    assert [entry.key for entry in objects.entries()] == [parcel.wheel]


def test_what_the_defaults_cached_goes_along(workspace: Workspace, storage: str):
    kit, store = make(workspace), LocalStore(workspace.artifacts)
    digest = store.put(b"loaded")
    step = workspace.cache / "tasks" / "k1.json"
    step.parent.mkdir(parents=True)
    step.write_text(json.dumps([{"digest": digest, "data": [{"digest": f"sha256:{'0' * 64}"}]}]))
    tasks = [TaskRecord(name=key, key=key, state="ran", because="") for key in ("k1", "failed")]
    shared = kit.share(record(tasks))
    assert shared == {"k1.json": [file_digest(step), digest]}
    stored = {entry.key for entry in open_objects(storage).entries("artifacts")}
    assert stored == {f"artifacts/{one[7:9]}/{one[9:]}" for one in shared["k1.json"]}


def test_run_keeps_how_the_source_of_its_study_differed(shop: Shop, workspace: Workspace):
    shop.main.write_text(f"{shop.main.read_text()}\n# edited\n")
    kit = make(workspace)
    run = record([])
    (workspace.runs / "r0").mkdir(parents=True)
    kit.add_patch(run)
    patch = workspace.runs / "r0" / "diff.patch"
    assert "+# edited" in patch.read_text()
    assert run.patch == file_digest(patch)
