"""What was acknowledged before a backup began is in it, and comes back whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rung.artifacts import LocalStore, WriteThroughStore
from rung.backup import Report, back_up, check, read_manifest, restore
from rung.backup._restore import fill_registry
from rung.errors import ConflictError, IntegrityError, NotFoundError, UnavailableError, WorkspaceError
from rung.lake import OUTCOMES, AppendLog
from rung.objects import FolderObjects, Objects, open_objects
from rung.registry import open_registry
from rung.schema import RevisionName

from .conftest import Shop, fill

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from postgresql import PostgresServer


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    target = tmp_path / "backups" if request.param == "folder" else f"{request.getfixturevalue('storage')}/backups"
    return open_objects(target)


def save(shop: Shop, place: Objects) -> Report:
    report = Report()
    with shop.registry() as registry:
        back_up(shop.workspace, registry, place, report)
    return report


def elsewhere(tmp_path: Path, settings: str = "") -> Shop:
    return Shop.make(tmp_path / "elsewhere", settings)


def test_everything_comes_back(shop: Shop, place: Objects, tmp_path: Path):
    save(shop, place)
    check(place)
    other = elsewhere(tmp_path)
    restore(other.workspace, place)
    assert other.files() == shop.files()
    assert other.units() == ["a", "b", "c"]
    assert other.lake.outcomes().collect()["unit"].sort().to_list() == ["a", "b"]
    with shop.registry() as before, other.registry() as after:
        assert after.revisions() == before.revisions()
        assert after.events(limit=10_000) == before.events(limit=10_000)
        assert after.runs() == before.runs()


def test_artifacts_lie_there_once_again(shop: Shop, tmp_path: Path):
    place = open_objects(tmp_path / "backups")
    save(shop, place)
    other = elsewhere(tmp_path)
    restore(other.workspace, place)
    for path in other.workspace.runs.glob("*/*.artifact"):
        assert path.stat().st_nlink == 2
        assert not path.stat().st_mode & 0o222
    source = other.state / "revisions" / "tiny.v1.m1" / "source"
    assert (source / "link").readlink().as_posix() == "experiments/main.py"


def test_second_backup_copies_what_is_new(shop: Shop, place: Objects):
    first = save(shop, place)
    assert first.copied_files > 10
    second = save(shop, place)
    shop.train(2)
    third = save(shop, place)
    assert second.copied_files <= 1  # the registry's dump tells when it was written
    assert 2 <= third.copied_files <= 8
    assert third.copied_bytes < first.copied_bytes
    check(place)


def test_backup_while_others_write(shop: Shop, tmp_path: Path):
    place, end = open_objects(tmp_path / "backups"), threading.Event()
    acknowledged: list[str] = []
    failures: list[BaseException] = []

    def run(work: Callable[[int], None]) -> None:
        number = 0
        try:
            while not end.is_set():
                work(number)
                number += 1
                time.sleep(0.002)
        except BaseException as error:  # noqa: BLE001  # a thread's failure is the test's
            failures.append(error)

    predictions, outcomes = AppendLog(shop.logs, max_bytes=20_000), AppendLog(shop.logs, OUTCOMES, max_bytes=20_000)

    def answer(number: int) -> None:
        shop.predict(f"u{number:06}", predictions)
        shop.measure(f"u{number:06}", outcomes)
        acknowledged.append(f"u{number:06}")

    def note(number: int) -> None:
        with shop.registry() as registry:
            registry.record_event("note", "tiny.v1", because=f"{number}", actor="anna")

    works: list[Callable[[int], None]] = [answer, note, lambda _: void(shop.lake.ship())]
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for attempt in range(3):
        time.sleep(0.3)
        before = list(acknowledged)
        with shop.registry() as registry:
            events = registry.events(limit=100_000)
        save(shop, place)
        other = Shop.make(tmp_path / f"elsewhere{attempt}")
        restore(other.workspace, place)
        units = other.units()
        assert len(units) == len(set(units))
        assert set(before) <= set(units)
        measured = other.lake.outcomes().collect()["unit"].to_list()
        assert len(measured) == len(set(measured))
        assert set(before) <= set(measured)
        with other.registry() as registry:
            assert registry.events(limit=100_000)[: len(events)] == events
    end.set()
    for thread in threads:
        thread.join()
    predictions.close()
    outcomes.close()
    assert not failures


def void(_: object) -> None:
    """Throw a result away."""


def test_job_under_way_is_begun_anew(shop: Shop, tmp_path: Path):
    place = open_objects(tmp_path / "backups")
    jobs = shop.state / "revisions" / "tiny.v1.m1" / "jobs"
    for name in ("ended", "runs"):
        (jobs / name).mkdir(parents=True)
        (jobs / name / "job.json").write_text("{}")
    (jobs / "ended" / "exit_code").write_text("0\n")
    save(shop, place)
    paths = {file.path for file in read_manifest(place).files}
    assert "revisions/tiny.v1.m1/jobs/ended/job.json" in paths
    assert "revisions/tiny.v1.m1/jobs/runs/job.json" not in paths


def test_processes_on_record_are_forgotten(shop: Shop, tmp_path: Path):
    place = open_objects(tmp_path / "backups")
    with shop.registry() as registry:
        registry.keep_process("gateway", {"pid": os.getpid(), "started": 1.0, "boot": "b", "keeper": None})
    save(shop, place)
    other = elsewhere(tmp_path)
    restore(other.workspace, place)
    with other.registry() as registry:
        assert registry.processes() == {}


def test_secrets_stay_out(shop: Shop, tmp_path: Path):
    for name in ("control.json", "keys/signing.pem", "keys/trusted/ours.pem"):
        (shop.state / name).parent.mkdir(parents=True, exist_ok=True)
        (shop.state / name).write_text("-")
    place = open_objects(tmp_path / "backups")
    save(shop, place)
    paths = {file.path for file in read_manifest(place).files}
    assert "keys/trusted/ours.pem" in paths
    assert not any("control.json" in path or "signing" in path for path in paths)


def test_lost_artifact_is_told(shop: Shop, tmp_path: Path):
    place = open_objects(tmp_path / "backups")
    (digest,) = {task["digest"] for task in shop.train(7)["tasks"]}
    digits = digest.removeprefix("sha256:")
    path = shop.workspace.artifacts / digits[:2] / digits[2:]
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(IntegrityError, match=f"the backup is made, without what is missing: artifact {digest}"):
        save(shop, place)
    restore(elsewhere(tmp_path).workspace, place)


def test_state_that_is_there_stays(shop: Shop, tmp_path: Path):
    place = open_objects(tmp_path / "backups")
    save(shop, place)
    with pytest.raises(ConflictError, match="is not empty"):
        restore(shop.workspace, place)
    assert shop.units() == ["a", "b", "c"]


def test_no_backup_is_told(shop: Shop, place: Objects, tmp_path: Path):
    with pytest.raises(NotFoundError, match="there is no backup in"):
        restore(elsewhere(tmp_path).workspace, place)
    with pytest.raises(NotFoundError, match="there is no backup in"):
        check(place)


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "backup.json").read_bytes())
    return found


def test_damage_is_named(shop: Shop, tmp_path: Path):
    place = open_objects(tmp_path / "backups")
    save(shop, place)
    file = next(file for file in read_manifest(place).files if file.path.endswith("m1/bundle.json"))
    blob = tmp_path / "backups" / file.key
    data = bytearray(blob.read_bytes())
    data[0] ^= 1
    blob.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"1 of .* revisions/tiny\.v1\.m1/bundle\.json is damaged"):
        check(place)
    other = elsewhere(tmp_path)
    with pytest.raises(IntegrityError, match=r"revisions/tiny\.v1\.m1/bundle\.json"):
        restore(other.workspace, place)
    blob.unlink()
    with pytest.raises(IntegrityError, match=r"bundle\.json is missing"):
        check(place)
    with pytest.raises(IntegrityError, match=r"lacks revisions/tiny\.v1\.m1/bundle\.json"):
        restore(other.workspace, place)
    assert sorted(path.name for path in other.workspace.root.iterdir()) == ["rung.toml"]


def test_damaged_blob_is_copied_anew(shop: Shop, tmp_path: Path):
    place = open_objects(tmp_path / "backups")
    save(shop, place)
    file = next(file for file in read_manifest(place).files if file.path.endswith("m1/bundle.json"))
    (tmp_path / "backups" / file.key).write_bytes(b"half")
    save(shop, place)
    check(place)


def test_changed_manifest_is_refused(shop: Shop, tmp_path: Path):
    place = open_objects(tmp_path / "backups")
    save(shop, place)
    manifest = manifest_of(tmp_path / "backups")
    manifest["backup"]["files"][0]["size"] += 1
    (tmp_path / "backups" / "backup.json").write_text(json.dumps(manifest))
    with pytest.raises(IntegrityError, match=r"backups/backup\.json is damaged: its digest"):
        restore(elsewhere(tmp_path).workspace, place)


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest as somebody would who knows how digests are made."""
    manifest = manifest_of(folder)
    change(manifest["backup"])
    spelled = json.dumps(manifest["backup"], sort_keys=True, separators=(",", ":")).encode()
    manifest["digest"] = f"sha256:{hashlib.sha256(spelled).hexdigest()}"
    (folder / "backup.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "path", ["../outside", "runs/../../outside", "/etc/passwd", "control.json", "runs//x", "runs/./x", "runs/a\\..\\b"]
)
def test_paths_lead_nowhere_else(shop: Shop, tmp_path: Path, path: str):
    place = open_objects(tmp_path / "backups")
    save(shop, place)
    rewritten(tmp_path / "backups", lambda manifest: manifest["files"][3].update(path=path))
    with pytest.raises(IntegrityError, match=r"files\.3\.path"):
        restore(elsewhere(tmp_path).workspace, place)
    assert not (tmp_path / "outside").exists()


def test_newer_format_is_refused(shop: Shop, tmp_path: Path):
    place = open_objects(tmp_path / "backups")
    save(shop, place)
    rewritten(tmp_path / "backups", lambda manifest: manifest.update(format=2, rung="9.0.0", more={}))
    with pytest.raises(WorkspaceError, match=r"has format 2, made by Rung 9\.0\.0; this one knows 1"):
        restore(elsewhere(tmp_path).workspace, place)


def test_killed_backup_leaves_the_last_one(shop: Shop, tmp_path: Path):
    target = tmp_path / "backups"
    save(shop, FolderObjects(target))
    whole = (target / "backup.json").read_bytes()
    shop.train(3)

    class Dies(FolderObjects):
        uploads = 0

        def upload(self, key: str, source: Path) -> None:
            if self.uploads == 2:
                raise UnavailableError("the disk is gone")
            self.uploads += 1
            super().upload(key, source)

    with pytest.raises(UnavailableError):
        save(shop, Dies(target))
    assert (target / "backup.json").read_bytes() == whole
    check(FolderObjects(target))
    restore(elsewhere(tmp_path).workspace, FolderObjects(target))


def test_table_that_was_compacted_meanwhile_is_told(shop: Shop, tmp_path: Path):
    class Slow(FolderObjects):
        def upload(self, key: str, source: Path) -> None:
            super().upload(key, source)
            for path in (shop.state / "lake" / "predictions").rglob("*.parquet"):
                path.unlink()

    with pytest.raises(UnavailableError, match="make the backup again"):
        save(shop, Slow(tmp_path / "backups"))
    assert not (tmp_path / "backups" / "backup.json").exists()


RESTORE = """
import os, signal, sys
from pathlib import Path
from rung.backup import Report, restore
from rung.objects import open_objects
from rung.workspace import find
def die(report):
    if report.done == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
restore(find(), open_objects(sys.argv[1]), Report(tell=die))
"""


def test_killed_restoration_changes_nothing(shop: Shop, tmp_path: Path):
    target = tmp_path / "backups"
    save(shop, open_objects(target))
    other = elsewhere(tmp_path)
    ended = subprocess.run([sys.executable, "-c", RESTORE, target, "7"], cwd=other.workspace.root, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not other.state.exists()
    restore(other.workspace, open_objects(target))
    assert other.files() == shop.files()
    assert sorted(path.name for path in other.workspace.root.iterdir()) == [".rung", "rung.toml"]


def test_registry_that_was_filled_before_is_fine(shop: Shop, tmp_path: Path):
    place = open_objects(tmp_path / "backups")
    with shop.registry() as registry:
        registry.keep_process("gateway", {"pid": os.getpid(), "started": 1.0, "boot": "b", "keeper": None})
    save(shop, place)
    dump = next(file for file in read_manifest(place).files if file.path == "registry.dump")
    staged = tmp_path / "staged"
    for _ in range(2):
        place.download(dump.key, staged / "registry.dump")
        fill_registry(staged, None)
    with open_registry(staged) as registry:
        registry.record_event("note", "tiny.v1", because="more", actor="anna")
    place.download(dump.key, staged / "registry.dump")
    with pytest.raises(ConflictError, match="is not empty"):
        fill_registry(staged, None)


@pytest.mark.parametrize("kinds", [("postgresql", "sqlite"), ("sqlite", "postgresql"), ("postgresql", "postgresql")])
def test_databases_come_back(kinds: tuple[str, str], postgresql: PostgresServer, tmp_path: Path):
    settings = ["" if kind == "sqlite" else f'registry = "{postgresql.database()}"\n' for kind in kinds]
    shop, other = Shop.make(tmp_path / "shop", settings[0]), Shop.make(tmp_path / "other", settings[1])
    fill(shop)
    place = open_objects(tmp_path / "backups")
    save(shop, place)
    restore(other.workspace, place)
    with shop.registry() as before, other.registry() as after:
        assert after.revisions() == before.revisions()
        assert after.events() == before.events()
    shutil.rmtree(other.state)  # as if it had been killed when the database was filled, and the folder was not there
    restore(other.workspace, place)
    assert other.files() == shop.files()


def test_storage_keeps_what_it_has(tmp_path: Path, storage: str):
    shop = Shop.make(tmp_path / "shop", f'storage = "{storage}"\n')
    fill(shop)
    store = WriteThroughStore(LocalStore(shop.workspace.artifacts), open_objects(storage))
    store.upload_all(store.local.digests())
    place = open_objects(tmp_path / "backups")
    save(shop, place)
    manifest = read_manifest(place)
    assert len(manifest.stored) == 2
    assert not any(file.path.startswith(("artifacts/", "lake/predictions")) for file in manifest.files)
    with pytest.raises(WorkspaceError, match="set storage in"):
        restore(elsewhere(tmp_path).workspace, place)
    other = Shop.make(tmp_path / "other", f'storage = "{storage}"\n')
    restore(other.workspace, place)
    assert other.units() == shop.units() == ["a", "b", "c"]
    store.objects.delete(f"artifacts/{manifest.stored[0][7:9]}/{manifest.stored[0][9:]}")
    shutil.rmtree(other.state)
    with pytest.raises(IntegrityError, match="lacks 1 artifacts"):
        restore(other.workspace, place)


def test_restored_revisions_are_found(shop: Shop, tmp_path: Path):
    place = open_objects(tmp_path / "backups")
    save(shop, place)
    other = elsewhere(tmp_path)
    restore(other.workspace, place)
    with other.registry() as registry:
        name = registry.create_revision("tiny", 1, actor="anna", commit="abc", dirty=False)
    assert name == RevisionName(service="tiny", major=1, minor=2)
