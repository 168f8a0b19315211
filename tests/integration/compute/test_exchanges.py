"""A folder that two machines have: files move between its ends, each once, and nobody changes them on the way."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from waiting import until

from rung.compute.exchanges import ALIVE, Exchange, clear, sweep
from rung.errors import IntegrityError, UnavailableError
from rung.objects import FolderObjects

if TYPE_CHECKING:
    from pathlib import Path

KEY = "batches/b/work-1/w1"
SECRET = "ours"  # noqa: S105


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjects:
    return FolderObjects(tmp_path / "objects")


@pytest.fixture
def here(tmp_path: Path, objects: FolderObjects) -> Exchange:
    (tmp_path / "here").mkdir()
    return Exchange(tmp_path / "here", objects, key=KEY, secret=SECRET, is_host=True)


@pytest.fixture
def there(tmp_path: Path, objects: FolderObjects) -> Exchange:
    (tmp_path / "there").mkdir()
    return Exchange(tmp_path / "there", objects, key=KEY, secret=SECRET, is_host=False)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_move_both_ways_and_leave_nothing(
    tmp_path: Path, here: Exchange, there: Exchange, objects: FolderObjects
):
    (tmp_path / "here/1.in").write_bytes(b"a row\n")
    (tmp_path / "here/2.given").write_bytes(b"unfinished")
    here.beat()
    here.move()
    there.move()
    assert names(tmp_path / "here") == ["2.given"]
    assert (tmp_path / "there/1.in").read_bytes() == b"a row\n"
    (tmp_path / "there/1.in").rename(tmp_path / "there/1.out")
    there.move()
    here.move()
    assert names(tmp_path / "here") == ["1.out", "2.given"]
    assert names(tmp_path / "there") == []
    assert [entry.key for entry in objects.entries()] == [f"{KEY}/{ALIVE}"]


def test_work_is_over_and_sends_nothing_when_the_other_end_has_gone(
    tmp_path: Path, here: Exchange, there: Exchange, objects: FolderObjects
):
    here.beat()
    there.hear()
    clear(objects, KEY)
    (tmp_path / "there/1.out").write_bytes(b"predictions\n")
    there.move()
    there.hear()
    assert not list(objects.entries())
    assert (tmp_path / "there" / ALIVE).stat().st_mtime == 0


def test_what_was_changed_on_the_way_is_not_taken(
    tmp_path: Path, here: Exchange, there: Exchange, objects: FolderObjects
):
    (tmp_path / "here/1.in").write_bytes(b"a row\n")
    here.move()
    sealed = objects.read(f"{KEY}/1.in")
    assert sealed is not None
    for forged in (sealed[:-2] + b"x\n", b"short"):
        objects.replace(f"{KEY}/1.in", forged)
        with pytest.raises(IntegrityError, match=f"{KEY}/1.in is not what was written"):
            there.move()
    objects.replace(f"{KEY}/2.in", sealed)  # whole, and of another part
    objects.delete(f"{KEY}/1.in")
    with pytest.raises(IntegrityError, match=r"2\.in is not"):
        there.move()
    assert names(tmp_path / "there") == []


def test_other_end_hears_as_long_as_this_one_wants_something(tmp_path: Path, here: Exchange, there: Exchange):
    alive = tmp_path / "there" / ALIVE
    there.hear()
    assert not alive.exists()
    here.beat()
    there.hear()
    os.utime(alive, (1, 1))
    there.hear()  # the same word again
    assert alive.stat().st_mtime == 1
    here.beat()
    there.hear()
    assert alive.stat().st_mtime > 1


def test_files_move_by_themselves_until_the_end(
    tmp_path: Path, here: Exchange, there: Exchange, objects: FolderObjects
):
    for _ in range(2):
        here.follow()
    until(lambda: objects.read(f"{KEY}/{ALIVE}") is not None)
    there.follow()
    (tmp_path / "here/1.in").write_bytes(b"a row\n")
    until((tmp_path / "there/1.in").exists)
    assert (tmp_path / "there" / ALIVE).exists()
    here.end()
    there.end()
    (tmp_path / "here/2.in").write_bytes(b"another\n")
    time.sleep(0.5)
    assert (tmp_path / "here/2.in").exists()


def test_store_that_fails_for_a_moment_costs_nothing(tmp_path: Path, here: Exchange, objects: FolderObjects):
    (tmp_path / "here/1.in").write_bytes(b"a row\n")
    objects.folder.write_text("in its way")
    with pytest.raises(UnavailableError):
        here.move()
    here.follow()
    time.sleep(0.5)
    assert (here.trouble, names(tmp_path / "here")) == (None, ["1.in"])
    objects.folder.unlink()
    until(lambda: not names(tmp_path / "here"))
    here.end()


def test_forgery_ends_it_and_is_told(tmp_path: Path, here: Exchange, objects: FolderObjects):
    objects.replace(f"{KEY}/1.out", b"somebody else's predictions, and long enough")
    here.follow()
    until(lambda: isinstance(here.trouble, IntegrityError))
    here.end()
    assert names(tmp_path / "here") == []


def test_what_was_left_long_ago_is_swept(objects: FolderObjects):
    for key in ("batches/old/w1/1.in", "batches/busy/w1/1.in", "batches/busy/w1/alive", "runs/old/run.json"):
        objects.replace(key, b"")
        os.utime(objects.folder / key, (1, 1))
    os.utime(objects.folder / "batches/busy/w1/alive")
    sweep(objects, "batches", before=time.time() - 60)
    assert {entry.key for entry in objects.entries()} == {
        "batches/busy/w1/1.in",
        "batches/busy/w1/alive",
        "runs/old/run.json",
    }
