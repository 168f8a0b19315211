"""Tables in an object store: a look reads what is new; a store that goes and comes back loses and doubles nothing."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import pytest
from object_store import Faults, ObjectStore, faults_before

from rung.errors import ConflictError, UnavailableError
from rung.lake import Lake
from rung.lake.log import PREDICTIONS
from rung.objects import open_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Writer

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def remote(storage: str, tmp_path: Path) -> Lake:
    return Lake(f"{storage}/lake", logs=tmp_path / "log", kept=tmp_path / "ledgers")


def test_changes_are_what_is_new(remote: Lake, writer_class: Callable[[Lake], Writer]):
    writer, table = writer_class(remote), remote.tables[PREDICTIONS]
    writer.predict("a", "incumbent")
    remote.ship()
    mark = table.mark()
    writer.predict("b", "incumbent")
    writer.predict("c", "challenger")
    remote.ship()
    changes = table.changes(mark)
    writer.close()
    assert not changes.whole
    assert pl.concat(changes.parts).collect()["unit"].sort().to_list() == ["b", "c"]
    assert changes.mark == table.mark()


def test_looks_go_on_in_a_new_process(remote: Lake, writer_class: Callable[[Lake], Writer], tmp_path: Path):
    writer = writer_class(remote)
    writer.predict("a", "challenger", minute=1)
    writer.measure(1.0, minute=2, unit="a")
    remote.ship()
    assert remote.compare("e1", metric="sold", since=START).arms["challenger"].y == 1
    writer.measure(5.0, minute=3, unit="a")
    later = Lake(remote.root, logs=remote.logs, kept=tmp_path / "ledgers")
    later.ship()
    writer.close()
    assert later.compare("e1", metric="sold", since=START).arms["challenger"].y == 6


def test_table_made_anew_is_known(remote: Lake, writer_class: Callable[[Lake], Writer], storage: str):
    writer = writer_class(remote)
    writer.predict("a", "incumbent")
    writer.close()
    remote.ship()
    assert remote.count() == 1
    objects = open_objects(storage)
    for entry in list(objects.entries("lake/predictions")):
        objects.delete(entry.key)
    assert remote.count() == 0
    other = writer_class(remote)
    other.predict("b", "incumbent")
    remote.ship()
    other.close()
    assert remote.predictions().collect()["unit"].to_list() == ["b"]


def test_tables_of_a_folder_move(remote: Lake, writer_class: Callable[[Lake], Writer], tmp_path: Path):
    local = Lake(tmp_path / "lake", logs=remote.logs)
    writer = writer_class(local)
    for unit in ("a", "b"):
        writer.predict(unit, "incumbent")
        writer.measure(1.0, unit=unit)
        local.ship()
    writer.predict("c", "incumbent")
    assert remote.adopt(tmp_path / "lake") == ["predictions", "outcomes"]
    assert remote.adopt(tmp_path / "lake") == []
    remote.ship()
    writer.close()
    assert remote.predictions().collect()["unit"].sort().to_list() == ["a", "b", "c"]
    assert remote.outcomes().collect()["unit"].sort().to_list() == ["a", "b"]


def test_half_a_move_is_gone_on_with(
    remote: Lake, writer_class: Callable[[Lake], Writer], storage: str, tmp_path: Path
):
    local = Lake(tmp_path / "lake", logs=tmp_path / "other")
    writer = writer_class(local)
    for unit in ("a", "b"):
        writer.predict(unit, "incumbent")
        local.ship()
    writer.close()
    objects, log = open_objects(storage), tmp_path / "lake" / "predictions" / "_delta_log"
    objects.upload(f"lake/predictions/_delta_log/{0:020}.json", log / f"{0:020}.json")
    remote.adopt(tmp_path / "lake")
    assert remote.predictions().collect()["unit"].sort().to_list() == ["a", "b"]


def test_other_tables_are_not_mixed(remote: Lake, writer_class: Callable[[Lake], Writer], tmp_path: Path):
    local = Lake(tmp_path / "lake", logs=tmp_path / "other")
    for lake in (remote, local):
        writer = writer_class(lake)
        writer.predict("a", "incumbent")
        writer.close()
        lake.ship()
    with pytest.raises(ConflictError, match="is another table"):
        remote.adopt(tmp_path / "lake")
    assert local.count() == remote.count() == 1


@pytest.fixture
def between(object_store: ObjectStore, storage: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    assert storage
    with faults_before(object_store) as faults:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{faults.port}")
        yield faults


FAULTS = {
    "files do not arrive": (".parquet", itertools.repeat("before")),
    "answers to a commit are lost": ("_delta_log", itertools.repeat("after")),
    "one answer to a commit is lost": ("_delta_log", ["after"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_store_that_goes_loses_and_doubles_nothing(
    between: Faults, remote: Lake, writer_class: Callable[[Lake], Writer], fault: str
):
    what, answers = FAULTS[fault][0], iter(FAULTS[fault][1])
    writer = writer_class(remote)
    writer.predict("a", "incumbent")
    writer.measure(1.0, unit="a")
    remote.ship()
    writer.predict("b", "incumbent")
    writer.measure(2.0, unit="b")
    between.fault = lambda method, path: next(answers, None) if method in {"PUT", "POST"} and what in path else None
    with pytest.raises(UnavailableError, match="the next try takes them"):
        remote.ship()
    between.fault = lambda _method, _path: None
    writer.predict("c", "incumbent")
    writer.close()
    remote.ship()
    assert remote.predictions().collect()["unit"].sort().to_list() == ["a", "b", "c"]
    assert remote.outcomes().collect()["value"].sort().to_list() == [1.0, 2.0]
    assert list(remote.logs.glob("*.jsonl")) == []


def test_store_that_is_down_is_told(monkeypatch: pytest.MonkeyPatch, storage: str, tmp_path: Path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    lake = Lake(f"{storage}/lake", logs=tmp_path / "log")
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "outcomes-1-1-1.jsonl").write_bytes(b"{}\n")
    with pytest.raises(UnavailableError) as told:
        lake.ship()
    assert "not-a-secret" not in str(told.value)
    with pytest.raises(UnavailableError):
        lake.count()
