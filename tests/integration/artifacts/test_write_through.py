"""A store in front of an object store: what is on record is there, whatever happens to the folder."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import pytest
from object_store import ObjectStore, faults_before

from rung import artifacts
from rung.artifacts import LocalStore, WriteThroughStore, stored_digests
from rung.errors import IntegrityError, UnavailableError
from rung.objects import open_objects

if TYPE_CHECKING:
    from pathlib import Path

DATA = artifacts.encode({"rmse": 1.5})


@pytest.fixture
def store(tmp_path: Path, storage: str) -> WriteThroughStore:
    return WriteThroughStore(LocalStore(tmp_path / "store"), open_objects(storage))


def key(digest: str) -> str:
    digits = digest.removeprefix("sha256:")
    return f"artifacts/{digits[:2]}/{digits[2:]}"


def test_lost_folder_comes_back(store: WriteThroughStore, tmp_path: Path):
    digest = store.put(DATA)
    shutil.rmtree(store.local.folder)
    assert (store.has(digest), store.local.has(digest)) == (True, False)
    assert store.get(digest) == DATA
    shutil.rmtree(store.local.folder)
    store.link(digest, tmp_path / "runs" / "1" / "build_model.artifact")
    artifacts.verify(tmp_path / "runs" / "1" / "build_model.artifact", digest)


def test_damaged_copy_is_replaced(store: WriteThroughStore):
    digest = store.put(DATA)
    path = store.local.path(digest)
    path.chmod(0o644)
    path.write_bytes(b"x" * len(DATA))
    assert store.get(digest) == DATA
    assert path.read_bytes() == DATA


def test_damaged_object_is_refused(store: WriteThroughStore):
    digest = store.put(DATA)
    store.objects.replace(key(digest), b"x" * len(DATA))
    shutil.rmtree(store.local.folder)
    with pytest.raises(IntegrityError, match=r"s3://.*/artifacts/.* is not what was written"):
        store.get(digest)
    assert [path for path in store.local.folder.rglob("*") if path.is_file()] == []


def test_half_an_object_is_mended(store: WriteThroughStore):
    digest = store.put(DATA)
    store.objects.replace(key(digest), DATA[:10])
    store.put(DATA)
    assert store.objects.read(key(digest)) == DATA


def test_damaged_file_is_not_uploaded(store: WriteThroughStore):
    digest = store.local.put(DATA)
    path = store.local.path(digest)
    path.chmod(0o644)
    path.write_bytes(b"x" * len(DATA))
    with pytest.raises(IntegrityError):
        store.upload(digest)
    assert list(store.digests()) == []


def test_big_artifacts_go_in_parts(store: WriteThroughStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rung.artifacts._write_through._CREATED", 1 << 20)
    data = bytes(range(256)) * (8 << 10)
    digest = store.put(data)
    shutil.rmtree(store.local.folder)
    assert store.get(digest) == data


def test_many_go_and_come_side_by_side(store: WriteThroughStore):
    digests = [store.local.put(b"%d" % number) for number in range(20)]
    store.upload_all(digests)
    assert sorted(stored_digests(store.objects)) == sorted(digests)
    shutil.rmtree(store.local.folder)
    store.fetch_missing(digests)
    assert sorted(store.local.digests()) == sorted(digests)


def test_put_is_done_when_the_store_is_back(
    object_store: ObjectStore, storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("rung.objects._s3._PATIENCE", {"max_retries": 1})
    with faults_before(object_store) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{between.port}")
        store = WriteThroughStore(LocalStore(tmp_path / "store"), open_objects(storage))
        between.fault = lambda _method, _path: "before"
        with pytest.raises(UnavailableError, match="no answer"):
            store.put(DATA)
        between.fault = lambda _method, _path: None
        assert store.objects.size(key(store.put(DATA))) == len(DATA)


def test_writers_of_the_same_bytes_agree(storage: str, tmp_path: Path):
    stores = [WriteThroughStore(LocalStore(tmp_path / f"{n}"), open_objects(storage)) for n in range(4)]
    failures: list[BaseException] = []

    def write(store: WriteThroughStore) -> None:
        try:
            for number in range(5):
                assert store.get(store.put(bytes([number]) * 1000)) == bytes([number]) * 1000
        except BaseException as error:  # noqa: BLE001  # a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=write, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(list(stores[0].digests())) == 5
