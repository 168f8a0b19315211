from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import polars as pl
import pytest

from rung.lake import OUTCOMES, AppendLog, Lake, Shipped
from rung.lake._privacy import Privacy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Writer


@pytest.mark.parametrize("lake", ["folder", "s3"], indirect=True)
def test_lines_become_rows_once(lake: Lake, writer: Writer):
    writer.predict("a", "incumbent")
    writer.measure(1, unit="a")
    assert lake.ship().rows == 2
    assert lake.ship() == Shipped()
    assert (lake.count(), lake.count(OUTCOMES)) == (1, 1)


@pytest.mark.parametrize("lake", ["folder", "s3"], indirect=True)
def test_later_lines_of_a_file_follow(lake: Lake, writer: Writer):
    for round_ in range(3):
        writer.predict("a", "incumbent", minute=round_)
        assert lake.ship().rows == 1
    assert lake.count() == 3


def test_a_row_holds_the_bytes_of_the_request(lake: Lake, writer: Writer):
    instances = '[{"text": "tab\\t, \\u0001, é, 1.0, 1e300"}]'.encode()
    name = writer.predict("é\n", "challenger", instances=instances, parameters=b'{"k": null}')
    lake.ship()
    row = lake.prediction(name)
    assert row is not None
    assert row["instances"].encode() == instances
    assert row["parameters"] == '{"k": null}'
    assert (row["service"], row["major"], row["unit"]) == ("housing", 1, "é\n")
    assert lake.prediction("nobody") is None


@pytest.mark.parametrize("lake", ["folder", "s3"], indirect=True)
def test_files_of_the_living_stay(lake: Lake, writer: Writer):
    writer.predict("a", "incumbent")
    lake.ship()
    assert len(list(lake.logs.glob("predictions-*"))) == 1
    writer.close()
    lake.ship()
    assert list(lake.logs.glob("*.jsonl")) == []
    assert lake.count() == 1


def test_a_rotated_log_ships_whole(lake: Lake):
    log = AppendLog(lake.logs, OUTCOMES, max_bytes=1000)
    for number in range(100):
        log.append(b'{"service":"s","metric":"m","value":%d,"unit":"u","received":1}\n' % number)
    assert len(list(lake.logs.glob("*.jsonl"))) > 5
    shipped = lake.ship()
    assert (shipped.rows, shipped.quarantined) == (100, 0)
    assert len(list(lake.logs.glob("*.jsonl"))) == 1
    log.close()


@pytest.mark.parametrize("lake", ["folder", "s3"], indirect=True)
def test_bad_lines_go_to_quarantine(lake: Lake, writer: Writer):
    writer.predict("a", "incumbent")
    writer.predictions.append(b"not json\n")
    writer.predictions.append(b"\n")
    writer.predict("b", "incumbent", revision="nonsense")
    writer.predict("c", "challenger")
    shipped = lake.ship()
    assert (shipped.rows, shipped.quarantined, lake.count()) == (2, 3, 2)
    kept = lake.quarantine().collect()
    assert kept["line"][0] == b"not json"
    assert kept.sort("position")["reason"][2] == "the revision is not named as a revision"
    assert kept["position"].n_unique() == 3


@pytest.mark.parametrize("lake", ["folder", "s3"], indirect=True)
def test_a_torn_line_waits_for_its_writer(lake: Lake, writer: Writer):
    writer.predict("a", "incumbent")
    path = next(lake.logs.glob("predictions-*"))
    with path.open("ab") as file:
        file.write(b'{"id":"half')
    assert lake.ship() == Shipped(rows=1, bytes=path.stat().st_size - 11, files=1)
    writer.close()
    assert lake.ship() == Shipped(quarantined=1, bytes=11, files=1)
    assert lake.quarantine().collect()["line"].to_list() == [b'{"id":"half']
    assert not path.exists()


def test_a_log_from_before_adds_nothing(lake: Lake, writer: Writer):
    writer.predict("a", "incumbent")
    path = next(lake.logs.glob("predictions-*"))
    before = path.read_bytes()
    writer.predict("b", "incumbent")
    writer.close()
    lake.ship()
    path.write_bytes(before)  # as a backup brings it back that was made before the second line
    assert lake.ship() == Shipped()
    assert not path.exists()
    assert lake.count() == 2


def test_what_services_leave_out_reaches_no_table(tmp_path: Path, writer_class: Callable[[Lake], Writer]):
    privacy = Privacy(drop=("instance.owner",), hash=("unit",), key=b"k" * 32)
    lake = Lake(tmp_path, privacies={"housing": privacy})
    writer = writer_class(lake)
    writer.predict("Ann", "incumbent", instances=b'[{"owner":"Ann"}]')
    writer.predict("Ann", "incumbent", status=422, error=b'{"status":422,"detail":"Ann is no owner"}')
    writer.predict("Ann", "Ann", instances=b'[{"owner":"Ann"}]')
    writer.predictions.append(b'{"revision":"housing.v1.m2","status":"Ann"}\n')
    writer.predictions.append(b'"Ann\n')
    writer.measure(1.0, unit="Ann")
    writer.measure(float("1"), unit="Bea", service="other")
    writer.close()
    shipped = lake.ship()
    assert (shipped.rows, shipped.quarantined) == (4, 3)
    tables = [lake.predictions(), lake.outcomes(), lake.quarantine()]
    assert not any("Ann" in repr(row) for table in tables for row in table.collect().rows())
    assert set(lake.quarantine().collect()["reason"].str.split(";").list.last()) == {
        " the line is not kept, for privacy"
    }
    assert "Bea" in lake.outcomes().collect()["unit"]
    assert not any(b"Ann" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_small_batches_ship_everything(tmp_path: Path):
    lake = Lake(tmp_path, batch_bytes=100)
    log = AppendLog(lake.logs, OUTCOMES)
    for number in range(30):
        unit = b"u" * (number * 20)
        log.append(b'{"service":"s","metric":"m","value":%d,"unit":"x%s","received":1}\n' % (number, unit))
    log.close()
    assert lake.ship().rows == 30
    assert lake.outcomes().select(pl.col("value").sum()).collect().item() == sum(range(30))


def test_two_shippers_take_turns(tmp_path: Path):
    lakes = [Lake(tmp_path, batch_bytes=5000) for _ in range(2)]
    log = AppendLog(lakes[0].logs, OUTCOMES)
    for number in range(500):
        log.append(b'{"service":"s","metric":"m","value":%d,"unit":"u","received":1}\n' % number)
    shipped: list[int] = []
    threads = [threading.Thread(target=lambda lake=lake: shipped.append(lake.ship().rows)) for lake in lakes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert sum(shipped) == 500
    assert lakes[0].outcomes().select(pl.col("value").n_unique(), pl.len().alias("n")).collect().row(0) == (500, 500)


def test_recent_requests_come_newest_first(lake: Lake, writer: Writer):
    for minute in range(5):
        writer.predict("a", "incumbent", minute=minute, id=f"p{minute}")
    writer.predict("a", "incumbent", minute=9, status=422)
    writer.predict("a", "incumbent", minute=9, kind="shadow")
    writer.predict("a", "incumbent", minute=9, revision="housing.v2.m1")
    lake.ship()
    assert [row["id"] for row in lake.recent("housing", 1, 3)] == ["p4", "p3", "p2"]
