"""Ingests that are killed, and several at once: no row is lost, none is there twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from rung.data import Catalogue, ingest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 40_000
_PLACES = {
    "while it reads": "rung.data._ingest.gather.hold",
    "before what is refused is kept": "rung.data._catalogue.Catalogue.add_quarantine",
    "before key and time are remembered": "rung.data._ingest.run._remember",
    "before the version": "rung.data._catalogue.Catalogue.write",
    "between files and commit": "rung.data._table.DatasetTable.commit",
    "between commit and manifest": "rung.objects._folder.FolderObjects.create",
    "before the statistics": "rung.data._ingest.summarise",
}
"""Where an ingest is killed: the function is called, and does not return."""

_INGEST = """
import importlib, os, signal, sys
from rung.data import Catalogue, ingest
root, source, place = sys.argv[1:]
if place:
    path, _, name = place.rpartition(".")
    try:
        owner = importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, kind = path.rpartition(".")
        owner = getattr(importlib.import_module(module), kind)
    before = getattr(owner, name)
    def dies(*given, **named):
        if name != "create" or str(given[1]).startswith("versions/"):
            os.kill(os.getpid(), signal.SIGKILL)
        return before(*given, **named)
    setattr(owner, name, dies)
ingest(source, name="houses", catalogue=Catalogue(root), key=["id"], max_bad=0.5)
"""


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Begins an ingest in a process of its own."""

    def start(source: str, place: str = "") -> subprocess.Popen[bytes]:
        given = [str(tmp_path / "datasets"), str(tmp_path / source), place]
        return subprocess.Popen([sys.executable, "-c", _INGEST, *given], stderr=subprocess.PIPE)

    return start


def write(path: Path, *, price: int) -> None:
    frame = pl.DataFrame({"id": range(ROWS)}).with_columns(price=pl.lit(price))
    path.write_text(frame.write_csv() + "no number,1\n")


def state(catalogue: Catalogue) -> dict[str, Any]:
    """What a version holds, apart from names of files and times."""
    version = catalogue.version("houses")
    rows = catalogue.scan(version).sort("id").collect()
    refused = catalogue.quarantine("houses").drop("time").sort("source", "row").collect()
    return {
        "rows": rows.rows(),
        "versions": len(catalogue.versions("houses")),
        "refused": refused.rows(),
        "key": catalogue.entry("houses").key,
        "statistics": (catalogue.kept("houses", version.number, "profile") or {})["rows"],
    }


@pytest.mark.parametrize("place", _PLACES.values(), ids=_PLACES)
def test_a_killed_ingest_leaves_the_version_before_and_is_completed_by_the_same_again(
    place: str, tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
):
    catalogue = Catalogue(tmp_path / "datasets")
    write(tmp_path / "a.csv", price=1)
    frame = pl.DataFrame({"id": [0, 1], "price": [7, 7]})
    ingest_frame(frame, catalogue, tmp_path)
    assert end(start("a.csv", place)) == -signal.SIGKILL
    between = catalogue.scan(catalogue.version("houses")).collect()

    assert end(start("a.csv")) == 0

    assert between.height in {2, ROWS}
    assert state(catalogue) == {
        "rows": [(number, 1) for number in range(ROWS)],
        "versions": 2,
        "refused": [(str(tmp_path / "a.csv"), ROWS + 1, "id: 'no number' is no Int64", refused_content())],
        "key": ["id"],
        "statistics": ROWS,
    }
    assert not any(catalogue.scratch.iterdir())


@pytest.mark.fault
def test_an_ingest_that_is_killed_at_any_moment_is_completed(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
):
    catalogue = Catalogue(tmp_path / "datasets")
    ingest_frame(pl.DataFrame({"id": [0, 1], "price": [7, 7]}), catalogue, tmp_path)
    write(tmp_path / "a.csv", price=1)
    began = time.monotonic()
    assert end(start("a.csv")) == 0
    whole_s = time.monotonic() - began

    for price in range(2, 8):
        write(tmp_path / "a.csv", price=price)
        process = start("a.csv")
        time.sleep(whole_s * price / 8)
        os.kill(process.pid, signal.SIGKILL)
        end(process)
        seen = catalogue.scan(catalogue.version("houses")).collect()
        assert seen.height == ROWS
        assert seen["price"].n_unique() == 1
        assert end(start("a.csv")) == 0
        assert catalogue.scan(catalogue.version("houses")).collect()["price"].unique().to_list() == [price]


def test_of_the_same_file_at_once_each_row_is_added_once(tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]):
    catalogue = Catalogue(tmp_path / "datasets")
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"n": number}) for number in range(1_000)))
    (tmp_path / "b.jsonl").write_text("\n".join(json.dumps({"n": number}) for number in range(1_000, 3_000)))

    def take(source: str) -> int:
        return ingest(str(tmp_path / source), name="houses", catalogue=catalogue).added

    with ThreadPoolExecutor(6) as pool:
        added = list(pool.map(take, ["a.jsonl", "b.jsonl"] * 3))

    assert sorted(added) == [0, 0, 0, 0, 1_000, 2_000]
    rows = catalogue.scan(catalogue.version("houses")).collect()
    assert sorted(rows["n"]) == list(range(3_000))


def test_of_two_processes_at_once_both_end_right(tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]):
    catalogue = Catalogue(tmp_path / "datasets")
    pl.DataFrame({"id": range(ROWS)}).with_columns(price=pl.lit(1)).write_csv(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text(f"id,price\n{ROWS},9\n")

    codes = [end(process) for process in [start("a.csv"), start("b.csv"), start("a.csv")]]

    assert codes == [0, 0, 0]
    rows = catalogue.scan(catalogue.version("houses")).collect()
    assert sorted(rows["id"]) == list(range(ROWS + 1))
    assert len(catalogue.versions("houses")) == 2


def test_what_a_killed_ingest_set_down_is_removed_by_the_next(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
):
    catalogue = Catalogue(tmp_path / "datasets")
    write(tmp_path / "a.csv", price=1)
    end(start("a.csv", "rung.data._catalogue.Catalogue.write"))
    left = [path for path in catalogue.scratch.iterdir() if path.is_dir()]
    assert left

    assert end(start("a.csv")) == 0

    assert not any(catalogue.scratch.iterdir())


def ingest_frame(frame: pl.DataFrame, catalogue: Catalogue, tmp_path: Path) -> None:
    frame.write_csv(tmp_path / "first.csv")
    ingest(str(tmp_path / "first.csv"), name="houses", catalogue=catalogue)


def refused_content() -> str:
    return json.dumps({"id": "no number", "price": "1"})


def end(process: subprocess.Popen[bytes]) -> int:
    _, told = process.communicate(timeout=120)
    assert process.returncode in {0, -signal.SIGKILL}, told.decode()
    return process.returncode
