"""A node's folder: what work there uses stays, what none has used for two weeks goes when other work arrives."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rung.artifacts import LocalStore
from rung.compute.nodes import Stay, tidy
from rung.compute.protocol import Parcel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400.0
BEGUN = 1_800_000_000.0  # when all of it is written
LATER = BEGUN + 15 * DAY
ENVIRONMENT = "environments/0123"
NOTHING = Parcel(storage="", state="", sockets="", environment="", lock="", wheel="", files={})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "node"


def parcel(folder: Path, revision: str) -> Parcel:
    """Set down what a revision needs, and name it."""
    key = f"revisions/{revision}/source.tar"
    digest = LocalStore(folder / "artifacts").put(revision.encode())
    for path in (folder / key, folder / f"revisions/{revision}/source/main.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(revision)
    return replace(NOTHING, files={key: "sha256:"}, artifacts=(digest,))


def make_environment(folder: Path) -> Path:
    python = folder / ENVIRONMENT / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    (folder / ENVIRONMENT / "environment.json").write_text("{}")
    return folder / ENVIRONMENT


@contextmanager
def at_work(folder: Path, name: str, parcel: Parcel, *, begun: float = BEGUN, ended: float = BEGUN) -> Iterator[Stay]:
    stay = Stay(folder, name, parcel)
    with stay.arriving(now=begun):
        if (folder / ENVIRONMENT).is_dir():
            stay.note_environment(folder / ENVIRONMENT)
    stay.touch(now=begun)
    yield stay
    stay.end(now=ended)


def age(folder: Path, when: float = BEGUN) -> None:
    """Have all of it written then, but for what work has noted."""
    for path in [*folder.rglob("*"), folder]:
        if path.name != "uses.json":
            os.utime(path, (when, when))


def left(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"locks/arriving"}


def test_what_work_that_is_over_has_used_goes_after_two_weeks(folder: Path):
    make_environment(folder)
    with at_work(folder, "server-1", parcel(folder, "a.v1.m0")):
        pass
    age(folder)
    assert tidy(folder, now=BEGUN + 13 * DAY) == []
    gone = tidy(folder, now=LATER)
    assert {"revisions/a.v1.m0", "works/server-1", ENVIRONMENT} <= set(gone)
    assert {name for name in left(folder) if not name.startswith("environments/locks/")} == set()


def test_what_work_that_runs_uses_stays_for_ever(folder: Path):
    make_environment(folder)
    with at_work(folder, "server-1", parcel(folder, "a.v1.m0")):
        before = left(folder)
        parcel(folder, "b.v1.m0")  # of nobody
        age(folder)
        gone = tidy(folder, now=LATER + 1000 * DAY)
        assert [name for name in gone if not name.startswith("artifacts/")] == ["revisions/b.v1.m0"]
        assert left(folder) == before


def test_what_ran_until_now_stays_for_what_comes_next(folder: Path):
    with at_work(folder, "server-1", parcel(folder, "a.v1.m0"), ended=LATER - DAY):
        pass
    age(folder)
    assert tidy(folder, now=LATER) == []


def test_work_that_was_killed_ran_when_it_was_touched_last(folder: Path):
    with at_work(folder, "server-1", parcel(folder, "a.v1.m0")) as stay:
        stay.touch(now=LATER - DAY)
        age(folder)
        (folder / "works/server-1/running").unlink()  # as if nobody held it
        assert tidy(folder, now=LATER) == []
        assert tidy(folder, now=LATER + 14 * DAY) != []


def test_nothing_is_removed_while_other_work_arrives(folder: Path):
    parcel(folder, "a.v1.m0")
    age(folder)
    other = Stay(folder, "training-1", parcel(folder, "b.v1.m0"))
    with other.arriving(now=LATER):
        assert tidy(folder, now=LATER) == []
    assert "revisions/a.v1.m0" in tidy(folder, now=LATER)
    other.end(now=LATER)


def test_outputs_of_a_training_that_runs_stay_before_anything_names_them(folder: Path):
    training = replace(NOTHING, steps="cache/tasks", returns=("runs/r1",))
    with at_work(folder, "training-1", training, begun=BEGUN - 1):
        LocalStore(folder / "artifacts").put(b"its first step")
        age(folder)
        assert tidy(folder, now=LATER) == []
    assert len(tidy(folder, now=LATER)) == 2  # the work and its step


def test_what_was_cached_stays_as_long_as_a_run_has_it(folder: Path):
    store = LocalStore(folder / "artifacts")
    digests = [store.put(name) for name in (b"recalled", b"forgotten")]
    for digest in digests:
        path = folder / "cache" / "tasks" / f"{digest[7:11]}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([{"digest": digest}]))
    with at_work(folder, "training-1", replace(NOTHING, returns=("runs/r1",)), ended=LATER - DAY):
        (folder / "runs" / "r1").mkdir(parents=True)
        store.link(digests[0], folder / "runs" / "r1" / "load.artifact")
    age(folder)
    tidy(folder, now=LATER)
    assert [store.has(digest) for digest in digests] == [True, False]
    assert [path.stem for path in folder.glob("cache/tasks/*")] == [digests[0][7:11]]


def test_log_lines_that_were_not_sent_stay(folder: Path):
    log = folder / "lake" / "log" / "predictions-7-1-ab.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text("{}\n")
    age(folder)
    tidy(folder, now=LATER + 1000 * DAY)
    assert log.read_text() == "{}\n"
