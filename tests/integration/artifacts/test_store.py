import os
import stat
import threading
from pathlib import Path

import pytest

from rung import artifacts
from rung.artifacts import LocalStore, WriteThroughStore
from rung.errors import CallError, IntegrityError, UnavailableError
from rung.objects import open_objects

DATA = artifacts.encode({"rmse": 1.5})


@pytest.fixture(params=[False, True], ids=["quick", "durable"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store", durable=request.param)


@pytest.fixture(params=["local", "s3"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> LocalStore | WriteThroughStore:
    local = LocalStore(tmp_path / "store")
    return (
        local
        if request.param == "local"
        else WriteThroughStore(local, open_objects(request.getfixturevalue("storage")))
    )


def only_file(store: LocalStore | WriteThroughStore) -> Path:
    folder = store.folder if isinstance(store, LocalStore) else store.local.folder
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    return path


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def test_bytes_come_back_by_digest(any_store: LocalStore | WriteThroughStore):
    digest = any_store.put(DATA)
    assert digest == artifacts.digest_of(DATA)
    assert any_store.get(digest) == DATA
    assert any_store.has(digest)
    assert list(any_store.digests()) == [digest]


def test_same_bytes_lie_there_once(any_store: LocalStore | WriteThroughStore):
    assert any_store.put(DATA) == any_store.put(DATA)
    assert stat.S_IMODE(only_file(any_store).stat().st_mode) == 0o444


def test_flipped_byte_is_refused_by_name(store: LocalStore):
    digest = store.put(DATA)
    damage(only_file(store))
    with pytest.raises(IntegrityError, match=f"artifact .* is not what was written: its bytes give .*, not {digest}"):
        store.get(digest)


def test_putting_again_mends_what_was_damaged(any_store: LocalStore | WriteThroughStore):
    digest = any_store.put(DATA)
    damage(only_file(any_store))
    any_store.put(DATA)
    assert any_store.get(digest) == DATA


def test_missing_artifact_is_named(any_store: LocalStore | WriteThroughStore, tmp_path: Path):
    digest = artifacts.digest_of(b"never")
    assert not any_store.has(digest)
    with pytest.raises(IntegrityError, match=f"artifact {digest} is missing"):
        any_store.get(digest)
    with pytest.raises(IntegrityError, match=f"artifact {digest} is missing"):
        any_store.link(digest, tmp_path / "x")


def test_odd_digest_leads_nowhere(any_store: LocalStore | WriteThroughStore):
    with pytest.raises(CallError, match="is no digest"):
        any_store.get("sha256:../../../etc/passwd")


def test_link_is_the_same_file(any_store: LocalStore | WriteThroughStore, tmp_path: Path):
    digest, target = any_store.put(DATA), tmp_path / "runs" / "1" / "build_model.artifact"
    any_store.link(digest, target)
    assert target.samefile(only_file(any_store))
    artifacts.verify(target, digest)
    assert artifacts.decode(target, digest=digest) == {"rmse": 1.5}
    assert artifacts.describe(target).size == len(DATA)


def test_link_replaces_what_is_there(any_store: LocalStore | WriteThroughStore, tmp_path: Path):
    target = tmp_path / "build_model.artifact"
    target.write_bytes(b"old")
    for _ in range(2):
        any_store.link(any_store.put(DATA), target)
    assert target.read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["build_model.artifact"]


def test_link_copies_where_it_must(store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError(18, "another disk")

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "build_model.artifact"
    store.link(store.put(DATA), target)
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (DATA, 0o444)


def test_delete_leaves_what_was_linked(any_store: LocalStore | WriteThroughStore, tmp_path: Path):
    digest = any_store.put(DATA)
    any_store.link(digest, tmp_path / "kept")
    any_store.delete(digest)
    any_store.delete(digest)
    assert not any_store.has(digest)
    artifacts.verify(tmp_path / "kept", digest)


def test_decode_names_the_damaged_file(store: LocalStore, tmp_path: Path):
    digest = store.put(DATA)
    store.link(digest, tmp_path / "build_model.artifact")
    damage(tmp_path / "build_model.artifact")
    with pytest.raises(IntegrityError, match=r"build_model\.artifact is not what was written"):
        artifacts.decode(tmp_path / "build_model.artifact", digest=digest)


def test_missing_file_is_named(tmp_path: Path):
    for read in (artifacts.decode, artifacts.describe, lambda path: artifacts.verify(path, artifacts.digest_of(b""))):
        with pytest.raises(IntegrityError, match=r"build_model\.artifact is missing"):
            read(tmp_path / "build_model.artifact")


def test_unfinished_files_are_no_artifacts(store: LocalStore):
    digest = store.put(DATA)
    leftover = only_file(store).with_name("ab.unfinished")
    leftover.write_bytes(b"half")
    assert list(store.digests()) == [digest]
    assert list(store.unfinished()) == [leftover]


def test_put_again_is_young_again(store: LocalStore):
    store.put(DATA)
    os.utime(only_file(store), (0, 0))
    store.put(DATA)
    assert only_file(store).stat().st_mtime > 0


def test_unwritable_folder_is_named(tmp_path: Path):
    (tmp_path / "store").write_text("a file, not a folder")
    with pytest.raises(UnavailableError, match="cannot write"):
        LocalStore(tmp_path / "store").put(DATA)


def test_writers_of_the_same_bytes_agree(tmp_path: Path):
    data = [bytes([number]) * 200_000 for number in range(10)]
    stores = [LocalStore(tmp_path / "store") for _ in range(8)]
    failures: list[BaseException] = []

    def write(store: LocalStore) -> None:
        try:
            for item in data:
                assert store.get(store.put(item)) == item
        except BaseException as error:  # noqa: BLE001  # a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=write, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(stores[0].digests()) == sorted(map(artifacts.digest_of, data))
