"""A revision and a run in this process."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import tiny_service
from docs_pages import blocks

import rung
from rung.errors import ConflictError, IntegrityError, NotFoundError
from rung.serving import Bundle, write_bundle
from rung.training import list_runs
from rung.workspace import find

if TYPE_CHECKING:
    from pathlib import Path

_SHARED = "experiments"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, new_registry: Path) -> Path:
    """A workspace with a training, and a revision whose schema has one field more than the present one."""
    root = tmp_path_factory.mktemp("tiny")
    tiny_service.write(root)
    (root / "rung.toml").touch()
    (root / ".rung").mkdir()
    (root / ".rung" / "registry.db").write_bytes(new_registry.read_bytes())
    command = [sys.executable, "-m", "rung.cli", "train", tiny_service.NAME]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=120)
    record = next(iter(list_runs(root / ".rung" / "runs")))
    bundle = Bundle(
        revision="tiny.v1.m1", run=record.id, artifacts=record.artifacts, contract={}, infrastructure={}, example={}
    )
    write_bundle(root / ".rung", bundle)
    source = root / ".rung" / "revisions" / "tiny.v1.m1" / "source"
    tiny_service.write(source)
    (source / "rung.toml").touch()
    schema = source / "experiments" / "tiny" / "schema" / "response.py"
    schema.write_text(schema.read_text().replace("y: float", "y: float\n    version: int = 1"))
    return root


@pytest.fixture(autouse=True)
def _apart(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of authors are of the whole process: each test begins and ends without any."""
    monkeypatch.chdir(trained)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [name for name in sys.modules if name.partition(".")[0] == _SHARED]:
        monkeypatch.delitem(sys.modules, name)


def test_run_predicts_with_the_present_source():
    loaded = rung.load("tiny")
    (prediction,) = loaded.predict([{"x": 3}])
    assert prediction.model_dump() == {"y": loaded.artifact("build_model")["slope"] * 3}
    assert loaded.predict([{"x": 3}], {"offset": 1.0})[0].y == prediction.y + 1.0


def test_revision_predicts_with_its_own_source_beside_the_present_one():
    revision, present = rung.load("tiny.v1.m1"), rung.load("tiny")
    assert revision.predict([{"x": 3}])[0].version == 1
    assert not hasattr(present.predict([{"x": 3}])[0], "version")
    instance = revision.module("schema.request").Instance(x=3)
    assert instance.__class__ is not present.module("schema.request").Instance
    assert revision.predict([instance])[0].version == 1
    assert sys.modules["experiments.tiny.schema.request"] is present.module("schema.request")


def test_what_is_not_there_is_named():
    for name in ("tiny.v1.m9", "tiny-20200101-000000-0000000"):
        with pytest.raises(NotFoundError):
            rung.load(name)
    with pytest.raises(NotFoundError, match=r"has no output 'other'.*build_model"):
        rung.load("tiny").artifact("other")


def test_example_of_the_page_runs():
    (example,) = [
        block for block in blocks("python") if block.page.name == "notebooks.md" and "rung.load" in block.text
    ]
    code = example.text.replace("housing.v1.m2", "tiny.v1.m1").replace("housing", "tiny")
    code = code.replace('{"living_area_sqft": 1500}', '{"x": 1}').replace("within_10_percent", "mean_error")
    space: dict = {}
    exec(code, space)  # noqa: S102  it is the page's
    assert space["best"].height == 1
    assert len(space["prices"]) == 1
    assert space["held_out"]


def test_run_that_failed_is_not_loaded(trained: Path):
    record = next(iter(list_runs(trained / ".rung" / "runs")))
    folder = find().runs / "tiny-20990101-000000-0000000"
    folder.mkdir()
    record.id, record.status = folder.name, "failed"
    record.write(folder)
    with pytest.raises(ConflictError, match="is failed"):
        rung.load(folder.name)


def test_unsigned_pickle_of_a_revision_is_not_read(trained: Path):
    from rung.artifacts import LocalStore, encode  # noqa: PLC0415  beside what it is for

    pickled = LocalStore(trained / ".rung" / "artifacts").put(encode(lambda: 1))
    bundle = Bundle(
        revision="tiny.v1.m2", run="none", artifacts={"made": pickled}, contract={}, infrastructure={}, example={}
    )
    write_bundle(trained / ".rung", bundle)
    (trained / ".rung" / "revisions" / "tiny.v1.m2" / "source").mkdir()
    with pytest.raises(IntegrityError, match="is pickled, and signed by nobody"):
        rung.load("tiny.v1.m2").artifact("made")
