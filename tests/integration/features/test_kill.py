"""Materialisations that are killed with -9, and several at once, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from rung.data import Append, Catalogue, Dataset, reading_from
from rung.features import Feature, FeatureView, OnlineSource, Reader, ViewOf, join, materialize_view, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUSES = 12_000

_PROGRAM = """
import sys
from pathlib import Path
from rung.data import Catalogue, Dataset, reading_from
from rung.features import Feature, FeatureView, materialize_view, open_store

def report(*told):
    print(told)
    sys.stdin.readline()  # at the end of the file it waits for nothing

view = FeatureView(
    name="areas", entity="house", source=Dataset("houses"), time="known", features={"area": Feature(float)}
)
with reading_from(Catalogue(sys.argv[1])):
    store = open_store(sys.argv[2] or None, Path(sys.argv[3]))
    print(materialize_view(view, store, report=report).outcome)
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    found = Catalogue(tmp_path / "datasets")
    with reading_from(found):
        yield found


def areas() -> FeatureView:
    return FeatureView(
        name="areas", entity="house", source=Dataset("houses"), time="known", features={"area": Feature(float)}
    )


def write(catalogue: Catalogue, version: int, *, every: int) -> None:
    """Add a row to every so many houses."""
    houses = list(range(0, HOUSES, every))
    rows = pl.DataFrame(
        {"house": houses, "known": START + timedelta(days=version), "area": [version / 3 + h for h in houses]}
    )
    catalogue.write("houses", rows, how=Append())


def begin(
    catalogue: Catalogue, store_url: str | None, folder: Path, *, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    words = [sys.executable, "-u", "-c", _PROGRAM, catalogue.root, store_url or "", str(folder)]
    few = {**os.environ, "POLARS_MAX_THREADS": "1"}
    return subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, text=True, env=few)


def check(store_url: str | None, folder: Path) -> None:
    """Hold every house in the store against the join of the newest version."""
    view = areas()
    spine = pl.DataFrame({"house": range(HOUSES), "time": START + timedelta(days=99)})
    with closing(open_store(store_url, folder)) as store:
        fetched = Reader(ViewOf(view, OnlineSource(store, view)), []).of(range(HOUSES))
    assert fetched["area"] == join(spine, [view])["area"].to_list()


@pytest.mark.parametrize("written", [1, 3])
def test_killed_materialisation_is_made_up(catalogue: Catalogue, store_url: str | None, tmp_path: Path, written: int):
    write(catalogue, 1, every=1)
    with closing(open_store(store_url, tmp_path)) as store:
        materialize_view(areas(), store)
    write(catalogue, 2, every=2)
    with begin(catalogue, store_url, tmp_path, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        for step in range(written):
            if step:
                process.stdin.write("\n")
                process.stdin.flush()
            assert process.stdout.readline().startswith("(")
        process.kill()
    write(catalogue, 3, every=5)
    with closing(open_store(store_url, tmp_path)) as store:
        done = materialize_view(areas(), store)
    assert (done.outcome, done.is_full) == ("written", True)
    check(store_url, tmp_path)


def test_several_at_once_leave_the_newest(catalogue: Catalogue, store_url: str | None, tmp_path: Path):
    write(catalogue, 1, every=1)
    processes = [begin(catalogue, store_url, tmp_path) for _ in range(3)]
    write(catalogue, 2, every=3)
    processes.append(begin(catalogue, store_url, tmp_path))
    outcomes = []
    for process in processes:
        told, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        outcomes.append(told.split()[-1])
    assert "written" in outcomes
    assert set(outcomes) <= {"written", "superseded", "unchanged"}
    with closing(open_store(store_url, tmp_path)) as store:
        materialize_view(areas(), store)
    check(store_url, tmp_path)
