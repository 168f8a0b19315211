"""What the cache keeps in its files, read by another cache."""

from pathlib import Path
from typing import Any

import pytest

from rung.artifacts import file_digest
from rung.training import _cache
from rung.training._cache import Cache, Entry
from rung.workspace import Workspace

FACTS: dict[str, Any] = {"closure": "c", "upstream": {}, "hyperparameters": {"depth": 2}, "environment": "e"}


def cache_in(folder: Path) -> Cache:
    return Cache(folder / "cache", Workspace(root=folder, state=folder), "toy")


def entry_of(folder: Path, text: str) -> Entry:
    """Give the output of a task that read this text."""
    (folder / "rows.txt").write_text(text)
    read = {"path": "rows.txt", "digest": file_digest(folder / "rows.txt"), "size": len(text)}
    return Entry(digest=f"output of {text}", size=1, data=[read], run="toy-1")


def found(folder: Path, text: str) -> str | None:
    (folder / "rows.txt").write_text(text)
    entry, _ = cache_in(folder).find("key", lambda _: True, seed=0)
    return None if entry is None else entry.digest


def test_each_data_has_its_output(tmp_path: Path):
    for text in ("a", "b", "a"):
        cache_in(tmp_path).add("key", entry_of(tmp_path, text))
    assert (found(tmp_path, "a"), found(tmp_path, "b"), found(tmp_path, "c")) == ("output of a", "output of b", None)
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 1


def test_oldest_data_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_cache, "_MOST_ENTRIES", 2)
    for text in "abc":
        cache_in(tmp_path).add("key", entry_of(tmp_path, text))
    assert [found(tmp_path, text) for text in "abc"] == [None, "output of b", "output of c"]


def test_reasons_of_other_tasks_stay(tmp_path: Path):
    for task in ("load", "fit"):
        cache = cache_in(tmp_path)
        assert cache.explain(task, FACTS, "") == "it has not run here before"
        cache.close()
    changed = {**FACTS, "hyperparameters": {"depth": 3}}
    assert cache_in(tmp_path).explain("load", changed, "") == "since it last ran, depth changed from 2 to 3"


@pytest.mark.parametrize("content", [b"", b"[1]", b"7", b'{"digest": "x"}', b'[{"other": 1}]'])
def test_odd_entry_counts_as_none(tmp_path: Path, content: bytes):
    (tmp_path / "cache" / "tasks").mkdir(parents=True)
    (tmp_path / "cache" / "tasks" / "key.json").write_bytes(content)
    assert found(tmp_path, "a") is None
    cache_in(tmp_path).add("key", entry_of(tmp_path, "a"))
    assert found(tmp_path, "a") == "output of a"


def test_full_disk_does_not_stop_a_training(tmp_path: Path):
    (tmp_path / "cache").write_text("a file, not a folder")
    cache_in(tmp_path).add("key", entry_of(tmp_path, "a"))
    assert found(tmp_path, "a") is None
