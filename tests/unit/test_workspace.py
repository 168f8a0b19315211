"""Unit tests that write, unlike others: a workspace is a folder, and `tmp_path` is the cheapest one."""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from rung import workspace
from rung.errors import NotFoundError, WorkspaceError
from rung.workspace import Workspace, find, write_atomically

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNG_STATE", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path.resolve()
    (folder / "rung.toml").write_text("")
    return folder


def lay_down(root: Path, *names: str) -> None:
    for name in names:
        (root / "experiments" / name / "schema").mkdir(parents=True)


def test_workspace_is_found_from_below(root: Path):
    deep = root / "experiments" / "housing"
    deep.mkdir(parents=True)
    assert find(deep) == Workspace(root=root, state=root / ".rung")


def test_workspace_is_found_from_the_current_folder(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(root)
    assert find().root == root


def test_nearest_workspace_wins(root: Path):
    inner = root / "inner"
    inner.mkdir()
    (inner / "rung.toml").write_text("")
    assert find(inner).root == inner


def test_folder_outside_is_refused(tmp_path: Path):
    with pytest.raises(WorkspaceError, match=r"is not in a workspace: `rung init` makes one here"):
        find(tmp_path)


def test_folder_named_like_the_marker_is_none(tmp_path: Path):
    (tmp_path / "rung.toml").mkdir()
    with pytest.raises(WorkspaceError):
        find(tmp_path)


def test_state_may_lie_elsewhere(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUNG_STATE", str(tmp_path / "state"))
    assert find(root).state == tmp_path / "state"


def test_relative_state_becomes_absolute(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(root)
    monkeypatch.setenv("RUNG_STATE", "state")
    assert find(root).state == root / "state"


def test_folders_lie_where_they_should(root: Path):
    found = find(root)
    assert found.experiments == root / "experiments"
    assert [found.runs, found.artifacts, found.cache] == [
        root / ".rung" / name for name in ("runs", "artifacts", "cache")
    ]


def test_services_are_sorted(root: Path):
    lay_down(root, "sentiment", "housing")
    (root / "experiments" / "notes").mkdir()
    (root / "experiments" / "file").mkdir()
    (root / "experiments" / "file" / "schema").write_text("")
    assert find(root).services() == ["housing", "sentiment"]


def test_workspace_without_services_has_none(root: Path):
    assert find(root).services() == []


def test_service_tells_its_files(root: Path):
    lay_down(root, "housing")
    service, folder = find(root).service("housing"), root / "experiments" / "housing"
    assert service.package == "experiments.housing"
    assert service.requirements == folder / "infrastructure" / "requirements.txt"
    assert service.specification == folder / "specification.md"
    assert service.document(2, 3) == folder / "experiments" / "v2.m3.md"


@pytest.mark.parametrize("name", ["hosing", "", ".", "..", "../experiments/housing", "housing/schema/.."])
def test_unknown_service_is_refused(root: Path, name: str):
    lay_down(root, "housing", "schema")
    with pytest.raises(NotFoundError, match=r"there is no service '.*the services are: housing"):
        find(root).service(name)


def test_first_service_is_suggested(root: Path):
    with pytest.raises(NotFoundError, match=r"none yet; `rung new housing --template housing` makes one"):
        find(root).service("housing")


@pytest.mark.parametrize("durable", [False, True])
def test_file_is_replaced_whole(tmp_path: Path, durable: bool):
    path = tmp_path / "file"
    for data in (b"old", b"new"):
        write_atomically(path, data, durable=durable)
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_failed_write_keeps_the_old_file(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_durable_write_reaches_file_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    flushed, fsync = [], os.fsync

    def note(descriptor: int) -> None:
        flushed.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(workspace.os, "fsync", note)
    write_atomically(tmp_path / "file", b"data", durable=True)
    assert flushed == [False, True]


def test_threads_never_mix_their_files(tmp_path: Path):
    path, seen, stop = tmp_path / "file", set(), threading.Event()
    contents = [bytes([number]) * 200_000 for number in range(4)]

    def write(content: bytes) -> None:
        for _ in range(25):
            write_atomically(path, content)

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    write(contents[0])
    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    reader = threading.Thread(target=read)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert seen <= set(contents)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_half_laid_down_service_is_none(tmp_path: Path):
    (tmp_path / "experiments" / ".shop.partial" / "schema").mkdir(parents=True)
    (tmp_path / "experiments" / "housing" / "schema").mkdir(parents=True)
    assert Workspace(root=tmp_path, state=tmp_path / ".rung").services() == ["housing"]
