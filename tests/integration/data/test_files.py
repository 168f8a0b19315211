"""Files that are no tables: images, sound, texts. Each is a row, wherever it lies."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow.parquet
import pytest

from rung.artifacts import decode, encode
from rung.data import Append, Catalogue, Dataset, Ingested, Upsert, ingest, reading_from
from rung.data import _write as writing
from rung.data._difference import difference
from rung.data._handover import verify
from rung.data._statistics import statistics
from rung.data.profile import lines, page
from rung.data.sources import Asked, _files, find
from rung.errors import CallError, NotFoundError
from rung.objects import open_objects

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PHOTO = b"\xff\xd8\xff\xe0 a photo \x00\xfe"
FILES = {"a.jpg": PHOTO, "cats/_b.jpg": PHOTO * 2, "cats/told.txt": "schöne Katze".encode(), "c.wav": b""}


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "datasets")


@pytest.fixture
def take(catalogue: Catalogue) -> Callable[..., Ingested]:
    def take(*source: object, **options: Any) -> Ingested:
        return ingest([str(one) for one in source], **{"name": "photos", "catalogue": catalogue, **options})

    return take


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of files that are no tables, one of them hidden."""
    for name, content in {**FILES, ".DS_Store": b"some program's own"}.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "in"


def contents(catalogue: Catalogue, number: int | None = None) -> dict[str, bytes]:
    return dict(catalogue.scan(catalogue.version("photos", number)).select("path", "content").collect().iter_rows())


def test_each_file_of_a_folder_is_a_row(take: Callable[..., Ingested], catalogue: Catalogue, folder: Path):
    os.utime(folder / "a.jpg", (0, 1_700_000_000))

    done = take(folder)

    rows = catalogue.scan(catalogue.version("photos")).collect()
    assert (done.added, done.files, done.mode, catalogue.entry("photos").key) == (4, 4, "upsert", ["path"])
    assert contents(catalogue) == FILES
    assert rows["size"].to_list() == [len(content) for content in rows["content"]]
    assert rows["sha256"].to_list() == [hashlib.sha256(content).hexdigest() for content in rows["content"]]
    assert rows.row(0, named=True)["modified"] == datetime.fromtimestamp(1_700_000_000, UTC)
    assert rows.filter(path="cats/told.txt")["content"].cast(pl.String).to_list() == ["schöne Katze"]


def test_the_same_files_are_taken_once_wherever_they_lie(
    take: Callable[..., Ingested], catalogue: Catalogue, folder: Path
):
    take(folder)
    assert take(folder).version is None
    os.utime(folder / "a.jpg", (1, 1))
    assert take(folder).known == 4

    moved = folder.rename(folder.with_name("moved"))
    assert (take(moved).version, len(catalogue.versions("photos"))) == (None, 1)
    (moved / "a.jpg").write_bytes(b"another")
    (moved / "new.jpg").write_bytes(b"new")
    (moved / "c.wav").unlink()
    done = take(moved)

    assert (done.added, done.changed, done.known) == (1, 1, 2)
    assert contents(catalogue) == {**FILES, "a.jpg": b"another", "new.jpg": b"new"}
    assert contents(catalogue, 1) == FILES
    assert take(moved, mode="replace").removed == 5
    assert "c.wav" not in contents(catalogue)


def test_beside_tables_files_are_told_and_taken_when_asked_for(
    take: Callable[..., Ingested], catalogue: Catalogue, folder: Path
):
    (folder / "labels.csv").write_text("path,label\na.jpg,cat\n")

    labels = take(folder, name="labels")
    photos = take(folder, format="files")

    assert (labels.columns, len(labels.passed_over)) == ({"path": "String", "label": "String"}, 3)
    assert (photos.added, photos.files, photos.passed_over) == (5, 0, [])
    assert contents(catalogue)["labels.csv"] == b"path,label\na.jpg,cat\n"


@pytest.mark.parametrize("packed", ["in.zip", "in.tar"])
def test_an_archive_is_taken_as_its_folder(
    packed: str, take: Callable[..., Ingested], catalogue: Catalogue, folder: Path
):
    source = folder.with_name(packed)
    if packed == "in.zip":
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in FILES.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(source, "w") as archive:
            archive.add(folder, ".")

    assert take(source).added == 4
    assert contents(catalogue) == FILES
    assert take(folder).known == 4


@pytest.mark.parametrize("name", ["broken.zip", "broken.tar"])
def test_a_broken_archive_is_told(name: str, take: Callable[..., Ingested], tmp_path: Path):
    (tmp_path / name).write_bytes(b"no archive at all")

    with pytest.raises(CallError, match="is no archive that can be read"):
        take(tmp_path / name)


def test_an_archive_with_tables_gives_their_rows(take: Callable[..., Ingested], tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "sales.zip", "w") as archive:
        archive.writestr("2025.csv", "id\n1\n")
        archive.writestr("2026.csv", "id\n2\n")
        archive.writestr("__MACOSX/._2026.csv", "some program's own")

    assert take(tmp_path / "sales.zip").added == 2


def test_objects_below_a_prefix_are_rows(take: Callable[..., Ingested], catalogue: Catalogue, storage: str):
    objects = open_objects(f"{storage}/photos")
    for name, content in FILES.items():
        objects.replace(name, content)

    assert take(f"{storage}/photos/").added == 4
    assert take(f"{storage}/photos").version is None
    assert contents(catalogue) == FILES
    assert catalogue.scan(catalogue.version("photos")).select(pl.col("modified").null_count()).collect().item() == 0
    with pytest.raises(CallError, match=r"a\.jpg does not tell what it is"):
        take(f"{storage}/photos/a.jpg")


def test_files_become_rows_of_a_dataset_in_a_store(folder: Path, tmp_path: Path, storage: str):
    catalogue = Catalogue(f"{storage}/lake/datasets", locks=tmp_path / "locks")

    assert ingest(str(folder), name="photos", catalogue=catalogue).added == 4
    (folder / "a.jpg").write_bytes(b"another")
    assert ingest(str(folder), name="photos", catalogue=catalogue).changed == 1
    assert contents(catalogue) == {**FILES, "a.jpg": b"another"}
    assert verify(catalogue, catalogue.version("photos"), lambda _: None) == []


def test_a_frame_of_files_is_an_output_of_a_task(take: Callable[..., Ingested], catalogue: Catalogue, folder: Path):
    take(folder)
    frame = catalogue.scan(catalogue.version("photos")).collect()

    assert decode(encode(frame)).equals(frame)


def test_files_by_name_are_rows_and_one_alone_must_be_meant(
    take: Callable[..., Ingested], catalogue: Catalogue, folder: Path
):
    with pytest.raises(CallError, match=r"a\.jpg does not tell what it is") as caught:
        take(folder / "a.jpg")
    assert "files, which takes it as it is" in (caught.value.hint or "")

    assert take(folder / "a.jpg", format="files").added == 1
    assert take(folder / "a.jpg", folder / "c.wav").added == 1
    assert set(contents(catalogue)) == {f"{folder}/a.jpg", f"{folder}/c.wav"}
    assert take(f"{folder}/cats/*.jpg", name="cats").added == 1


def test_two_files_of_one_path_are_refused(take: Callable[..., Ingested], folder: Path):
    with pytest.raises(CallError, match="would both be the row"):
        take(folder, folder / "../in", name="twice")


def test_too_large_a_file_is_refused_before_it_is_read(
    take: Callable[..., Ingested], catalogue: Catalogue, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_files, "LARGEST", len(PHOTO))
    with zipfile.ZipFile(folder.with_name("bomb.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.jpg", bytes(1 << 22))

    for source in (folder, folder.with_name("bomb.zip")):
        with pytest.raises(CallError, match="and a file of a dataset has at most") as caught:
            take(source)
        assert "glob" in (caught.value.hint or "")
    assert catalogue.names() == []
    assert take(f"{folder}/*.jpg").added == 1


def test_what_is_told_of_bytes_is_short(take: Callable[..., Ingested], catalogue: Catalogue, folder: Path):
    take(folder)
    (folder / "a.jpg").write_bytes(b"x" * 1_000_000)
    take(folder)
    one, two = catalogue.versions("photos")

    measured = statistics(catalogue, two)
    found = difference(catalogue, one, two, key=["path"])

    numbers = measured.columns["content"].numbers
    assert (measured.columns["content"].kind, numbers and (numbers.low, numbers.high)) == ("binary", (0, 1_000_000))
    assert statistics(catalogue, two).to_json() == measured.to_json()
    assert [line[1] for line in lines(measured)][-1] == "Binary"
    assert "content" in page(measured, title="photos")
    assert found.changed_in == {"size": 1, "sha256": 1, "modified": 1, "content": 1}
    assert [text.split(",")[0] for text in found.examples["changed"][0]["content"]] == ["15 bytes", "1000000 bytes"]
    assert verify(catalogue, two, lambda _: None) == []


def test_a_training_reads_files(take: Callable[..., Ingested], catalogue: Catalogue, folder: Path):
    take(folder)

    with reading_from(catalogue):
        texts = Dataset("photos").scan().filter(pl.col("path").str.ends_with(".txt")).collect()

    assert [content.decode() for content in texts["content"]] == ["schöne Katze"]


def test_rows_with_bytes_are_written_a_few_at_a_time(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writing, "_GROUP", 1_000)
    rows = pl.DataFrame({"id": range(50), "content": [bytes(100)] * 50})

    version = catalogue.write("photos", rows, how=Append())

    assert version is not None
    written = pyarrow.parquet.ParquetFile(f"{catalogue.root}/photos/{version.files[0].path}").metadata
    assert [written.row_group(number).num_rows for number in range(written.num_row_groups)] == [10] * 5


def test_bytes_are_changed_by_their_key_and_the_last_of_a_key_counts(catalogue: Catalogue):
    catalogue.write("photos", pl.DataFrame({"path": ["a", "b"], "content": [b"1", b"2"]}), how=Append())
    rows = pl.DataFrame({"path": ["b", "c", "a", "c"], "content": [b"2", b"3", b"9", b"4"]})

    version = catalogue.write("photos", rows, how=Upsert(key=("path",)))

    assert version is not None
    assert (version.added, version.changed) == (1, 1)
    assert contents(catalogue) == {"a": b"9", "b": b"2", "c": b"4"}


def test_where_tables_are_needed_files_are_none(folder: Path):
    with pytest.raises(NotFoundError, match="there are no data in"):
        find(str(folder), Asked())
    with pytest.raises(CallError, match="files are no table"):
        find(str(folder), Asked(format="files"))
