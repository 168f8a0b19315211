"""Logs of work on another machine, followed while they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rung.compute.followed import Followed, append_parts
from rung.objects import FolderObjects

if TYPE_CHECKING:
    from pathlib import Path

SERVER = "revisions/tiny.v1.m1/server-2.log"
TRAINING = "revisions/tiny.v1.m1/jobs/training/log"


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjects:
    return FolderObjects(tmp_path / "objects")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state" / TRAINING).parent.mkdir(parents=True)
    return tmp_path / "state"


@pytest.mark.parametrize("name", [SERVER, TRAINING])
def test_lines_come_as_they_are_written(tmp_path: Path, state: Path, objects: FolderObjects, name: str):
    log = tmp_path / "log"
    followed = Followed(log, name=name, work="tiny.v1.m1-1")
    followed.send(objects)  # before it is there
    for number in range(3):
        with log.open("a") as file:
            file.write(f"line {number}\n")
        followed.send(objects)
        followed.send(objects)
        append_parts(objects, state)
        assert (state / name).read_text() == log.read_text()
    assert not list(objects.entries())


def test_what_an_earlier_life_sent_is_not_sent_again(tmp_path: Path, state: Path, objects: FolderObjects):
    log = tmp_path / "log"
    log.write_text("of the first life\n")
    followed = Followed(log, name=SERVER, work="tiny.v1.m1-1")
    with log.open("a") as file:
        file.write("of the second\n")
    followed.send(objects)
    append_parts(objects, state)
    assert (state / SERVER).read_text() == "of the second\n"


def test_log_that_came_back_whole_stays_as_it_is(tmp_path: Path, state: Path, objects: FolderObjects):
    (tmp_path / "log").write_text("")
    followed = Followed(tmp_path / "log", name=TRAINING, work="tiny.v1.m1-training-1")
    (tmp_path / "log").write_text("the last line\n")
    followed.send(objects)
    (state / TRAINING).write_text("all lines\nthe last line\n")
    (state / TRAINING).with_name("exit_code").write_text("0\n")
    append_parts(objects, state)
    assert (state / TRAINING).read_text() == "all lines\nthe last line\n"
    assert not list(objects.entries())


@pytest.mark.parametrize("name", ["keys/signing.pem", "revisions/../server.log", "revisions/tiny.v1.m1/bundle.json"])
def test_nothing_else_is_written(state: Path, objects: FolderObjects, name: str):
    with_name = objects.folder / "logs" / name / "work" / f"{0:016}"
    with_name.parent.mkdir(parents=True)
    with_name.write_text("mine")
    before = sorted(state.rglob("*"))
    append_parts(objects, state)
    assert sorted(state.rglob("*")) == before
