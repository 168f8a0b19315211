"""Objects in a folder and in an S3-compatible store: the same for whoever uses them."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from object_store import ObjectStore, careless_objects, faults_before, variables

from rung.errors import CallError, UnavailableError, WorkspaceError
from rung.objects import Entry, Objects, open_objects, probe

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    place = tmp_path / "objects" if request.param == "folder" else request.getfixturevalue("storage")
    return open_objects(place)


def test_objects_come_back(objects: Objects):
    objects.replace("runs/1/run.json", b"one")
    objects.replace("runs/1/run.json", b"two!")
    assert (objects.read("runs/1/run.json"), objects.size("runs/1/run.json")) == (b"two!", 4)
    assert list(objects.entries()) == [Entry(key="runs/1/run.json", size=4)]


def test_what_is_not_there_is_nothing(objects: Objects, tmp_path: Path):
    assert (objects.read("a/b"), objects.size("a/b"), list(objects.entries("a"))) == (None, None, [])
    assert not objects.download("a/b", tmp_path / "b")
    objects.delete("a/b")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_first_writer_stays(objects: Objects):
    assert objects.create("a", b"first")
    assert not objects.create("a", b"second")
    assert objects.read("a") == b"first"


def test_one_of_many_creators_wins(objects: Objects):
    told: list[bool] = []
    threads = [threading.Thread(target=lambda n=n: told.append(objects.create("a", b"%d" % n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [False] * 7 + [True]


def test_files_go_and_come(objects: Objects, tmp_path: Path):
    source, target = tmp_path / "source", tmp_path / "new" / "target"
    source.write_bytes(b"0123456789" * 100_000)
    objects.upload("big", source)
    assert objects.download("big", target)
    assert target.read_bytes() == source.read_bytes()
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_prefix_ends_with_a_name(objects: Objects):
    for key in ("runs/1/a", "runs/10/a", "runs/1/b/c"):
        objects.replace(key, b"")
    assert sorted(entry.key for entry in objects.entries("runs/1")) == ["runs/1/a", "runs/1/b/c"]


def test_deleted_is_gone(objects: Objects):
    objects.replace("a/b", b"1")
    objects.delete("a/b")
    assert objects.size("a/b") is None


def test_good_stores_pass_the_probe(objects: Objects):
    probe(objects)
    assert list(objects.entries()) == []


def test_folder_keys_lead_nowhere_else(tmp_path: Path):
    for key in ("../a", "a/../../b", "/etc/passwd", "a//b", ""):
        with pytest.raises(CallError, match="is no key"):
            open_objects(tmp_path).read(key)


def test_files_of_a_folder_are_their_owners(tmp_path: Path):
    objects, source = open_objects(tmp_path / "objects"), tmp_path / "source"
    source.write_bytes(b"1")
    objects.create("a", b"1")
    objects.replace("b", b"1")
    objects.upload("c", source)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "objects").iterdir()} == {0o600}


def test_missing_extra_is_named(storage: str):
    script = (
        f"import sys; sys.modules['obstore'] = None; from rung.objects import open_objects; open_objects({storage!r})"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "storage is set, and obstore is not installed: pip install 'rung[s3]'" in ended.stderr


def test_big_files_go_in_parts(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rung.objects._s3._WHOLE", 1 << 20)
    monkeypatch.setattr("rung.objects._s3._PART", 5 << 20)
    source, objects = tmp_path / "source", open_objects(storage)
    source.write_bytes(bytes(range(256)) * (50 << 10))
    objects.upload("big", source)
    assert objects.read("big") == source.read_bytes()


@pytest.mark.parametrize(
    ("refuses", "told"), [(False, "overwrites what is there"), (True, "does not know conditional writes")]
)
def test_careless_store_is_refused(refuses: bool, told: str, monkeypatch: pytest.MonkeyPatch):
    with careless_objects(refuses=refuses) as url:
        for name, value in variables(url).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(WorkspaceError, match=told):
            probe(open_objects("s3://bucket/shop"))


def test_missing_bucket_is_named(storage: str):
    with pytest.raises(WorkspaceError, match="there is no such bucket"):
        open_objects("s3://rung-never-made/shop").replace("a", b"")


def test_store_that_is_down_is_told(monkeypatch: pytest.MonkeyPatch):
    for name, value in variables("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("rung.objects._s3._PATIENCE", {"max_retries": 1})
    with pytest.raises(UnavailableError, match=r"s3://bucket/shop did not give a \(no answer\)") as told:
        open_objects("s3://bucket/shop").read("a")
    assert "not-a-secret" not in str(told.value)


def test_short_trouble_is_outlived(object_store: ObjectStore, storage: str, monkeypatch: pytest.MonkeyPatch):
    with faults_before(object_store) as between:
        broken = iter(["before", "before", "after"])
        between.fault = lambda _method, _path: next(broken, None)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{between.port}")
        objects = open_objects(storage)
        objects.replace("a", b"1")
        assert objects.read("a") == b"1"
        assert len(between.seen) == 5


def test_lost_answer_counts_as_there(object_store: ObjectStore, storage: str, monkeypatch: pytest.MonkeyPatch):
    with faults_before(object_store) as between:
        broken = iter(["after"])
        between.fault = lambda _method, _path: next(broken, None)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{between.port}")
        assert not open_objects(storage).create("a", b"1")
        assert open_objects(storage).read("a") == b"1"
        probe(open_objects(storage))
