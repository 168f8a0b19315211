"""Upkeep of the tables: files, log and rows stay few, and nobody who reads or ships notices."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from rung.lake import OUTCOMES, Lake, Shipped
from rung.lake import _upkeep as upkeep
from rung.lake._tables import Table
from rung.lake.log import PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Writer

SCHEMA = pl.Schema({"service": pl.String, "date": pl.Date, "number": pl.Int64})
TODAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FOREVER = float("inf")
IN_BOTH = pytest.mark.parametrize("lake", ["folder", "s3"], indirect=True)


def rows(number: int) -> pl.DataFrame:
    return pl.DataFrame({"service": ["a"], "date": [TODAY], "number": [number]}, schema=SCHEMA)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(str(tmp_path / "table"), SCHEMA, ("service", "date"))


def numbers(table: Table) -> list[int]:
    return sorted(table.scan().collect()["number"])


def look(table: Table) -> upkeep.Upkept:
    return upkeep.Upkeep(table).look(deadline=FOREVER, now=NOON)


@IN_BOTH
def test_small_files_are_joined(lake: Lake, writer: Writer):
    for minute in range(5):
        writer.predict("a", "incumbent", minute=minute)
        lake.ship()
    mark = lake.tables[PREDICTIONS].mark()
    writer.predict("new", "incumbent", minute=9)
    lake.ship()
    done = lake.upkeep()
    assert (done.joined, done.into, done.waiting) == (6, 1, 0)
    assert lake.count() == 6
    assert lake.ship() == Shipped()
    changes = lake.tables[PREDICTIONS].changes(mark)
    assert not changes.whole
    assert pl.concat(changes.parts).collect()["unit"].to_list() == ["new"]


@IN_BOTH
def test_second_look_finds_nothing(lake: Lake, writer: Writer):
    for minute in range(4):
        writer.predict("a", "incumbent", minute=minute)
        lake.ship()
    assert lake.upkeep()
    assert not lake.upkeep()


def test_new_lake_needs_nothing(lake: Lake):
    assert not lake.upkeep()
    assert not list(Path(lake.root).glob("*/_delta_log"))


def test_a_look_ends_at_its_deadline(lake: Lake, writer: Writer):
    for minute in range(4):
        writer.predict("a", "incumbent", minute=minute)
        lake.ship()
    done = lake.upkeep(budget_s=0)
    assert (done.joined, done.waiting) == (0, 1)
    assert lake.upkeep().joined == 4


def test_log_stays_short(table: Table, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(upkeep, "_KEPT_COMMITS", 40)
    keeper, log = upkeep.Upkeep(table), Path(table.uri) / "_delta_log"
    mark = None
    for number in range(140):
        table.append(rows(number), {"log": number})
        mark = mark or table.mark()
        if number % 10 == 9:
            keeper.look(deadline=FOREVER, now=NOON)
    assert len(list(log.iterdir())) < 100
    assert len(table.state()[1]) < 40
    assert numbers(table) == numbers(Table(table.uri, SCHEMA, ("service", "date"))) == list(range(140))
    assert table.offsets(["log"]) == {"log": 139}
    assert table.changes(mark).whole
    assert not table.changes(table.mark()).whole


def test_reader_that_slept_goes_on(table: Table, monkeypatch: pytest.MonkeyPatch):
    """Its handle is older than any commit and checkpoint that the log still has."""
    monkeypatch.setattr(upkeep, "_KEPT_COMMITS", 0)
    sleeper = Table(table.uri, SCHEMA, ("service", "date"))
    table.append(rows(0), {})
    assert numbers(sleeper) == [0]
    for number in range(1, 70):
        table.append(rows(number), {})
        look(table)
    assert numbers(sleeper) == list(range(70))
    sleeper.append(rows(70), {})
    assert numbers(table) == list(range(71))


def test_table_made_anew_is_known_though_its_log_is_short(table: Table, monkeypatch: pytest.MonkeyPatch):
    import shutil  # noqa: PLC0415  here alone

    monkeypatch.setattr(upkeep, "_KEPT_COMMITS", 0)
    for number in range(40):
        table.append(rows(number), {})
    look(table)
    shutil.rmtree(table.uri)
    assert numbers(table) == []
    table.append(rows(1), {})
    assert numbers(table) == [1]


def test_replaced_and_orphaned_files_go(table: Table, monkeypatch: pytest.MonkeyPatch):
    for number in range(32):
        table.append(rows(number), {})
    folder = Path(table.uri, "service=a", "date=2026-03-01")
    (folder / "part-killed.parquet").write_bytes(b"half")
    keeper = upkeep.Upkeep(table)
    assert keeper.look(deadline=FOREVER, now=NOON).joined == 32
    assert len(list(folder.iterdir())) == 34
    monkeypatch.setattr(upkeep, "_REPLACED_HOURS", 0)
    monkeypatch.setattr(upkeep, "_VACUUM_S", 0)
    assert keeper.look(deadline=FOREVER, now=NOON).removed == 32
    assert len(list(folder.iterdir())) == 2
    monkeypatch.setattr(upkeep, "_SEARCH_S", 0)
    keeper.look(deadline=FOREVER, now=NOON)
    assert len(list(folder.iterdir())) == 1
    assert numbers(table) == list(range(32))


def test_appends_go_on_during_joins(table: Table):
    """Nothing is lost or doubled when both commit at the same time."""
    done: list[upkeep.Upkept] = []
    end = threading.Event()

    def tend() -> None:
        keeper = upkeep.Upkeep(table)
        while not end.is_set():
            done.append(keeper.look(deadline=FOREVER, now=NOON))

    thread = threading.Thread(target=tend)
    thread.start()
    for number in range(200):
        table.append(rows(number), {"log": number})
    end.set()
    thread.join()
    assert sum(one.joined for one in done) > 100
    assert numbers(table) == list(range(200))
    assert table.offsets(["log"]) == {"log": 199}


@IN_BOTH
def test_log_and_replaced_files_go(lake: Lake, writer: Writer, monkeypatch: pytest.MonkeyPatch):
    for name, value in {"_COMMITS": 3, "_KEPT_COMMITS": 1, "_REPLACED_HOURS": 0, "_VACUUM_S": 0}.items():
        monkeypatch.setattr(upkeep, name, value)
    for minute in range(5):
        writer.predict("a", "incumbent", minute=minute)
        lake.ship()
    assert lake.upkeep().checkpoints == 1
    writer.predict("b", "incumbent", minute=9)
    lake.ship()
    done = lake.upkeep()
    assert done.removed == 5  # that were joined
    for minute in range(3):
        writer.predict("c", "incumbent", minute=minute)
        lake.ship()
    assert lake.upkeep().commits > 0
    fresh = Lake(lake.root, logs=lake.logs)
    assert lake.count() == fresh.count() == 9
    assert fresh.ship() == Shipped()
    assert lake.tables[PREDICTIONS].place.commit(0) is not None
    assert lake.tables[PREDICTIONS].place.commit(1) is None


@IN_BOTH
def test_days_that_are_older_go(lake: Lake, writer: Writer):
    day = 24 * 60
    for days in range(3):
        writer.predict(f"u{days}", "incumbent", minute=days * day)
        writer.predict(f"u{days}", "incumbent", minute=days * day, revision="sales.v1.m1")
        writer.measure(1.0, minute=days * day, unit=f"u{days}")
    lake.ship()
    mark = lake.tables[PREDICTIONS].mark()
    done = lake.upkeep(keep_from={"housing": date(2026, 3, 3)})
    assert done.days == 4
    kept = lake.predictions().select("service", "unit").collect().sort("service", "unit").rows()
    assert kept == [("housing", "u2"), ("sales", "u0"), ("sales", "u1"), ("sales", "u2")]
    assert lake.outcomes().collect()["unit"].to_list() == ["u2"]
    assert lake.tables[PREDICTIONS].changes(mark).whole
    assert lake.upkeep(keep_from={"housing": date(2026, 3, 3)}).days == 0


def test_lines_in_quarantine_go_with_the_oldest_rows(lake: Lake, monkeypatch: pytest.MonkeyPatch):
    for year, text in ((2025, b"old\n"), (2026, b"new\n")):
        begun = int(datetime(year, 6, 1, tzinfo=UTC).timestamp()) * 10**9
        (lake.logs / f"predictions-1-{begun}-ab.jsonl").parent.mkdir(exist_ok=True)
        (lake.logs / f"predictions-1-{begun}-ab.jsonl").write_bytes(text)
    assert lake.ship().quarantined == 2
    assert lake.upkeep(keep_from={"housing": date(2026, 1, 1)}).lines == 1
    assert lake.quarantine().collect()["line"].to_list() == [b"new"]
    assert lake.upkeep(keep_from={"housing": date(2026, 1, 1)}).lines == 0
    del monkeypatch


def test_tables_of_an_earlier_rung_are_looked_after(tmp_path: Path, writer_class: Callable[[Lake], Writer]):
    from deltalake import DeltaTable  # noqa: PLC0415  here alone

    lake = Lake(tmp_path)
    writer = writer_class(lake)
    writer.measure(1.0, unit="a")
    writer.close()
    lake.ship()
    before: dict[str, Any] = {"delta.deletedFileRetentionDuration": "interval 1 week"}
    DeltaTable(f"{lake.root}/{OUTCOMES}").alter.set_table_properties(before)
    mark = lake.tables[OUTCOMES].mark()
    lake.upkeep()
    configuration = DeltaTable(f"{lake.root}/{OUTCOMES}").metadata().configuration
    assert configuration["delta.deletedFileRetentionDuration"] == "interval 3 hours"
    assert lake.tables[OUTCOMES].changes(mark).parts == []


def test_table_of_an_earlier_rung_gets_new_columns(table: Table):
    table.append(rows(0), {})
    wider = Table(table.uri, pl.Schema({**SCHEMA, "note": pl.String}), ("service", "date"))
    assert wider.scan().collect()["note"].to_list() == [None]
    for number in range(1, 33):
        wider.append(rows(number).with_columns(note=pl.lit("new")), {})
    assert look(wider).joined == 33
    found = wider.scan().sort("number").collect()
    assert (found["note"].to_list(), found["number"].to_list()) == ([None] + ["new"] * 32, list(range(33)))
