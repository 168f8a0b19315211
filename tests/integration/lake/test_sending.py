"""Lines of a machine that does not see the logs' folder: in the tables once, whatever is killed when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rung.errors import IntegrityError
from rung.lake import AppendLog, Lake, prediction_line, sending
from rung.objects import FolderObjects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def node(tmp_path: Path) -> Path:
    return tmp_path / "node"


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjects:
    return FolderObjects(tmp_path / "objects")


@pytest.fixture
def lake(tmp_path: Path, objects: FolderObjects) -> Lake:
    return Lake(tmp_path / "lake", sent=objects)


@pytest.fixture
def server(node: Path) -> Iterator[AppendLog]:
    log = AppendLog(node)
    yield log
    log.close()


def line(identity: str) -> bytes:
    return prediction_line(
        id=identity,
        revision="housing.v1.m1",
        time=1_770_000_000_000_000,
        status=200,
        duration_ms=1,
        kind="production",
        instances=b"[1]",
    )


def ids(lake: Lake) -> list[str]:
    return sorted(lake.predictions().select("id").collect()["id"].to_list())


def test_lines_follow_each_other_into_the_tables(node: Path, objects: FolderObjects, lake: Lake, server: AppendLog):
    for identity in ("a", "b", "c"):
        server.append(line(identity))
        assert sending.send(node, objects) == len(line(identity))
        assert lake.ship().rows == 1
        assert not list(lake.logs.glob("*.jsonl"))  # in the table; the next part begins with a hole
    assert ids(lake) == ["a", "b", "c"]
    assert list(objects.entries()) == []


def test_file_is_removed_when_its_writer_is_gone(node: Path, objects: FolderObjects, lake: Lake, server: AppendLog):
    server.append(line("a"))
    sending.send(node, objects)
    assert len(list(node.glob("*.jsonl"))) == 1
    server.close()
    sending.send(node, objects)
    assert [path.name for path in node.iterdir()] == ["send.lock"]
    lake.ship()
    assert ids(lake) == ["a"]


def test_half_a_line_waits_and_its_end_is_refused_with_a_reason(node: Path, objects: FolderObjects, lake: Lake):
    server = AppendLog(node)
    server.append(line("a"))
    [file] = node.glob("*.jsonl")
    with file.open("ab") as torn:
        torn.write(b'{"id":"b"')
    sending.send(node, objects)
    assert lake.ship().quarantined == 0
    server.close()
    sending.send(node, objects)
    assert lake.ship().quarantined == 1
    assert ids(lake) == ["a"]


def test_sender_that_forgot_what_it_had_sent_doubles_nothing(
    node: Path, objects: FolderObjects, lake: Lake, server: AppendLog
):
    server.append(line("a"))
    sending.send(node, objects)
    lake.ship()
    for mark in node.glob("*.sent"):
        mark.unlink()
    server.append(line("b"))
    sending.send(node, objects)
    assert lake.ship().rows == 1
    assert ids(lake) == ["a", "b"]


def test_taker_that_was_killed_takes_again(node: Path, objects: FolderObjects, lake: Lake, server: AppendLog):
    for identity in ("a", "b"):
        server.append(line(identity))
        sending.send(node, objects)
    kept = {entry.key: objects.read(entry.key) for entry in objects.entries()}
    half = sorted(kept)[1]
    lake.logs.mkdir(parents=True)
    sending.take(lake.logs, objects)
    with next(lake.logs.glob("*.jsonl")).open("r+b") as file:
        file.truncate(len(line("a")) + 5)  # it was writing the second part
    for key, data in kept.items():  # and had removed neither
        objects.replace(key, data or b"")
    assert half in {entry.key for entry in objects.entries()}
    assert lake.ship().rows == 2
    for key, data in kept.items():
        objects.replace(key, data or b"")
    assert lake.ship().rows == 0
    assert (ids(lake), lake.quarantine().collect().height) == (["a", "b"], 0)


def test_changed_part_is_refused(node: Path, objects: FolderObjects, lake: Lake, server: AppendLog):
    server.append(line("a"))
    sending.send(node, objects)
    [entry] = objects.entries()
    objects.replace(entry.key, b"longer than that" * 100)
    with pytest.raises(IntegrityError, match="bytes"):
        lake.ship()


def test_long_log_travels_in_parts(node: Path, objects: FolderObjects, lake: Lake, server: AppendLog):
    lines = [line(f"{number:06}{'x' * 900}") for number in range(10_000)]
    server.append_lines(lines)
    assert sending.send(node, objects) == sum(map(len, lines))
    assert len(list(objects.entries())) == 2
    assert lake.ship().rows == len(lines)
