"""Versions of a dataset in a folder: what is written, read back, refused, and completed after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from rung.data import Append, Catalogue, Dataset, Facts, Replace, Upsert, reading_from
from rung.errors import CallError, IntegrityError, NotFoundError, SchemaError

if TYPE_CHECKING:
    from pathlib import Path

SALES = pl.DataFrame(
    {"house": [1, 2, 3], "price": [100.0, 200.0, None], "sold": [date(1996, 1, day) for day in (1, 2, 3)]}
)


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "datasets")


def test_a_first_write_makes_the_dataset(catalogue: Catalogue) -> None:
    version = catalogue.write("sales", SALES, how=Append(), facts=Facts(by="ada", source="sales.csv"))

    assert version is not None
    assert (version.ref, version.rows, version.added, version.by) == ("sales@1", 3, 3, "ada")
    assert version.columns == {"house": "Int64", "price": "Float64", "sold": "Date"}
    assert catalogue.names() == ["sales"]
    assert_frame_equal(catalogue.scan(version).collect(), SALES)


def test_older_versions_stay_as_they_were(catalogue: Catalogue) -> None:
    first = catalogue.write("sales", SALES, how=Append())
    second = catalogue.write("sales", SALES.with_columns(house=pl.col("house") + 3), how=Append())
    third = catalogue.write("sales", SALES.head(1), how=Replace())

    assert first
    assert second
    assert third
    assert [catalogue.scan(one).select(pl.len()).collect().item() for one in (first, second, third)] == [3, 6, 1]
    assert [one.removed for one in (first, second, third)] == [0, 0, 6]
    assert len({one.digest for one in (first, second, third)}) == 3


def test_any_delta_reader_reads_the_newest_version(catalogue: Catalogue) -> None:
    catalogue.write("sales", SALES, how=Append())
    catalogue.write("sales", SALES.with_columns(note=pl.lit("new")), how=Append())

    read = pl.scan_delta(f"{catalogue.root}/sales").collect()

    assert read.height == 6
    assert read["note"].null_count() == 3


def test_an_upsert_adds_changes_and_skips(catalogue: Catalogue) -> None:
    catalogue.write("sales", SALES, how=Append())
    news = pl.DataFrame(
        {"house": [2, 3, 4], "price": [250.0, None, 400.0], "sold": [date(1996, 1, day) for day in (2, 3, 4)]}
    )

    version = catalogue.write("sales", news, how=Upsert(key=("house",)))

    assert version is not None
    assert (version.added, version.changed, version.rows) == (1, 1, 4)
    found = catalogue.scan(version).sort("house").collect()
    assert found["price"].to_list() == [100.0, 250.0, None, 400.0]


def test_an_upsert_of_equal_rows_makes_no_version(catalogue: Catalogue) -> None:
    catalogue.write("sales", SALES, how=Upsert(key=("house",)))

    assert catalogue.write("sales", SALES.reverse(), how=Upsert(key=("house",))) is None
    assert [version.number for version in catalogue.versions("sales")] == [1]


def test_replacing_rows_by_themselves_makes_no_version(catalogue: Catalogue) -> None:
    catalogue.write("sales", SALES, how=Replace())

    assert catalogue.write("sales", SALES, how=Replace()) is None


def test_the_last_of_equal_keys_counts(catalogue: Catalogue) -> None:
    twice = pl.DataFrame({"house": [1, 1], "price": [1.0, 2.0]})

    version = catalogue.write("sales", twice, how=Upsert(key=("house",)))

    assert version is not None
    assert catalogue.scan(version).collect().rows() == [(1, 2.0)]


def test_a_key_cannot_be_null(catalogue: Catalogue) -> None:
    with pytest.raises(CallError, match="1 rows have no price"):
        catalogue.write("sales", SALES, how=Upsert(key=("price",)))
    assert catalogue.names() == []


def test_a_key_is_among_the_columns(catalogue: Catalogue) -> None:
    with pytest.raises(CallError, match="the key colour is not among the columns"):
        catalogue.write("sales", SALES, how=Upsert(key=("colour",)))


@pytest.mark.parametrize(
    ("before", "after", "together"),
    [
        (pl.Int32, pl.Int64, "Int64"),
        (pl.Int64, pl.Int32, "Int64"),
        (pl.Int32, pl.Float64, "Float64"),
        (pl.Float32, pl.Float64, "Float64"),
        (pl.UInt32, pl.Int64, "Int64"),
    ],
    ids=str,
)
def test_a_type_becomes_wider(catalogue: Catalogue, before: type, after: type, together: str) -> None:
    catalogue.write("sales", pl.DataFrame({"a": [1]}, schema={"a": before}), how=Append())

    version = catalogue.write("sales", pl.DataFrame({"a": [2]}, schema={"a": after}), how=Append())

    assert version is not None
    assert version.columns == {"a": together}
    assert (version.added, version.rows) == (1, 2)
    assert sorted(catalogue.scan(version).collect()["a"]) == [1, 2]
    assert sorted(pl.scan_delta(f"{catalogue.root}/sales").collect()["a"]) == [1, 2]


def test_a_type_that_does_not_go_with_it_is_refused(catalogue: Catalogue) -> None:
    catalogue.write("sales", SALES, how=Append())

    with pytest.raises(SchemaError, match="'price' is of type Float64, and of type String in the new rows"):
        catalogue.write("sales", SALES.with_columns(price=pl.lit("dear")), how=Append())
    assert len(catalogue.versions("sales")) == 1


def test_columns_that_differ_in_case_are_refused(catalogue: Catalogue) -> None:
    with pytest.raises(SchemaError, match="differ in case alone"):
        catalogue.write("sales", pl.DataFrame({"a": [1], "A": [2]}), how=Append())


def test_columns_may_come_and_stay_away(catalogue: Catalogue) -> None:
    catalogue.write("sales", SALES, how=Append())

    version = catalogue.write("sales", pl.DataFrame({"house": [4], "rooms": [7]}), how=Append())

    assert version is not None
    assert list(version.columns) == ["house", "price", "sold", "rooms"]
    assert catalogue.scan(version).filter(pl.col("house") == 4).collect().rows() == [(4, None, None, 7)]


def test_nested_columns_and_odd_types_come_back(catalogue: Catalogue) -> None:
    rows = pl.DataFrame(
        {
            "tags": [["a"], None],
            "place": [{"x": 1, "y": "z"}, None],
            "kind": pl.Series(["one", "two"], dtype=pl.Categorical()),
            "when": pl.Series([datetime(2020, 1, 1, tzinfo=UTC)] * 2, dtype=pl.Datetime("ns", "UTC")),
            "Größe in m²": [1, 2],
        }
    )

    version = catalogue.write("odd", rows, how=Append())

    assert version is not None
    found = catalogue.scan(version).collect()
    assert found["place"].to_list() == rows["place"].to_list()
    assert found["kind"].to_list() == ["one", "two"]
    assert found["when"].to_list() == rows["when"].to_list()
    assert found["Größe in m²"].to_list() == [1, 2]


def test_no_rows_make_no_version(catalogue: Catalogue) -> None:
    catalogue.write("sales", SALES, how=Append())

    assert catalogue.write("sales", SALES.clear(), how=Append()) is None


def test_versions_are_found_by_number_and_by_instant(catalogue: Catalogue) -> None:
    first = catalogue.write("sales", SALES, how=Append())
    second = catalogue.write("sales", SALES, how=Append())

    assert first
    assert second
    assert catalogue.version("sales") == second
    assert catalogue.version("sales", 1) == first
    assert catalogue.version("sales", as_of=datetime.fromisoformat(first.time)) == first
    with pytest.raises(NotFoundError, match="had no version at 2001"):
        catalogue.version("sales", as_of=datetime(2001, 1, 1, tzinfo=UTC))
    with pytest.raises(NotFoundError, match="no version sales@3"):
        catalogue.version("sales", 3)
    with pytest.raises(NotFoundError, match="no dataset 'prices'"):
        catalogue.version("prices")


def test_writers_at_once_take_turns(catalogue: Catalogue) -> None:
    frames = [SALES.with_columns(house=pl.col("house") + 10 * number) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda rows: catalogue.write("sales", rows, how=Append()), frames))

    assert sorted(version.number for version in made if version) == [1, 2, 3, 4, 5, 6]
    assert catalogue.version("sales").rows == 18
    assert catalogue.scan(catalogue.version("sales")).collect()["house"].n_unique() == 18


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_writer_leaves_a_whole_version_or_none(tmp_path: Path, moment: str) -> None:
    catalogue = Catalogue(tmp_path / "datasets")
    catalogue.write("sales", SALES, how=Append())
    program = f"""
import os, signal, polars as pl
from rung.data import Append, Catalogue, _table
commit = _table.DatasetTable.commit
def killed(self, what):
    if {moment == "after"}:
        commit(self, what)
    os.kill(os.getpid(), signal.SIGKILL)
_table.DatasetTable.commit = killed
Catalogue({str(tmp_path / "datasets")!r}).write("sales", pl.DataFrame({{"house": [9]}}), how=Append())
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, env=dict(os.environ))

    assert ended.returncode == -signal.SIGKILL
    assert catalogue.version("sales").number == 1
    version = catalogue.write("sales", pl.DataFrame({"house": [10]}), how=Append())
    assert version is not None
    houses = sorted(catalogue.scan(version).collect()["house"])
    assert (version.number, houses) == ((3, [1, 2, 3, 9, 10]) if moment == "after" else (2, [1, 2, 3, 10]))
    if moment == "after":
        assert catalogue.version("sales", 2).added == 1


def test_what_another_program_writes_becomes_a_version(catalogue: Catalogue) -> None:
    catalogue.write("sales", SALES, how=Append())
    table = DeltaTable(f"{catalogue.root}/sales")
    table.delete("house = 1")

    version = catalogue.write("sales", SALES.head(1), how=Append())

    assert version is not None
    assert [one.note for one in catalogue.versions("sales")] == ["", "written by another program", ""]
    assert catalogue.scan(catalogue.version("sales", 1)).collect().height == 3


def test_a_manifest_that_cannot_be_read_is_told(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.write("sales", SALES, how=Append())
    (tmp_path / "datasets/sales/_rung/versions/00000001.json").write_text("{}")

    with pytest.raises(IntegrityError, match="is not the manifest of a version"):
        catalogue.version("sales")


def test_documents_are_kept_with_a_version(catalogue: Catalogue) -> None:
    catalogue.write("sales", SALES, how=Append())

    catalogue.keep("sales", 1, "profile", {"rows": 3})

    assert catalogue.kept("sales", 1, "profile") == {"rows": 3}
    assert catalogue.kept("sales", 1, "other") is None


def test_an_entry_is_annotated(catalogue: Catalogue) -> None:
    catalogue.write("sales", SALES, how=Append())

    catalogue.annotate("sales", owner="ada", tags=["prices"], columns={"price": "dollars"})

    assert catalogue.entry("sales").owner == "ada"
    with pytest.raises(CallError, match="completeness of 'sales'"):
        catalogue.annotate("sales", completeness=2)
    with pytest.raises(CallError, match="colour of 'sales'"):
        catalogue.annotate("sales", colour="red")
    assert catalogue.entry("sales").tags == ["prices"]


def test_a_dataset_settles_its_version_once(catalogue: Catalogue) -> None:
    catalogue.write("sales", SALES, how=Append())
    with reading_from(catalogue):
        read = Dataset("sales")
        assert read.ref == "sales@1"
        catalogue.write("sales", SALES, how=Append())

        assert read.polars().height == 3
        assert Dataset("sales").polars(["house"]).shape == (6, 1)
        assert Dataset("sales", version=1).digest == read.digest
        with pytest.raises(NotFoundError, match="sales@1 has no column colour"):
            read.polars(["colour"])


def test_pins_settle_the_version_of_a_repeated_run(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue.write("sales", SALES, how=Append())
    catalogue.write("sales", SALES, how=Append())
    monkeypatch.setenv("RUNG_PINS", "sales@1")

    with reading_from(catalogue):
        assert Dataset("sales").ref == "sales@1"
