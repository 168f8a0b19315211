"""The lake at one instant, for a backup: which rows the tables hold, and the log lines that no table holds yet.

The shippers' lock is held for as long as small files take to be copied. Data files are only named: none is ever
changed, and one that a compaction replaced stays for an hour.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rung.lake import _ship

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.lake._tables import Table

_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint.*\.parquet")
_LOG = "_delta_log"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """One table at one version."""

    id: str
    version: int
    files: dict[str, Path]
    """Path in the lake to where it can be read; none for a table in an object store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """The lake at one instant."""

    tables: dict[str, TableState]
    """By name; a table without rows is not there."""
    logs: dict[str, Path]
    """Name of a log file to a copy of its whole lines."""


def capture(tables: Mapping[str, Table], logs: Path, scratch: Path) -> Capture:
    """Hold up the shippers, and copy what changes into an empty folder."""
    with _ship.locked(logs):
        copies = {path.name: _whole_lines(path, scratch / "log" / path.name) for path in sorted(logs.glob("*.jsonl"))}
        states = {name: _state(name, table, scratch) for name, table in tables.items()}
    return Capture(tables={name: state for name, state in states.items() if state is not None}, logs=copies)


def _whole_lines(source: Path, target: Path) -> Path:
    """Copy up to the last line feed: what follows it was not acknowledged yet."""
    target.parent.mkdir(parents=True, exist_ok=True)
    data = source.read_bytes()
    target.write_bytes(data[: data.rfind(b"\n") + 1])
    return target


def _state(name: str, table: Table, scratch: Path) -> TableState | None:
    mark, paths = table.state()  # of one moment: upkeep may join files meanwhile
    if not mark.table:
        return None
    files: dict[str, Path] = {}
    if "://" not in table.uri:
        root = Path(table.uri)
        files = {f"{name}/{path}": root / path for path in paths}
        for path in _history(root / _LOG, mark.version):
            copy = scratch / name / _LOG / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            files[f"{name}/{_LOG}/{path.name}"] = copy
    return TableState(id=mark.table, version=mark.version, files=files)


def _history(log: Path, version: int) -> list[Path]:
    """Give the newest checkpoint up to a version, and the commits after it."""
    names = {path: (_COMMIT.fullmatch(path.name), _CHECKPOINT.fullmatch(path.name)) for path in log.iterdir()}
    checkpoints = {path: int(found[1]) for path, (_, found) in names.items() if found and int(found[1]) <= version}
    newest = max(checkpoints.values(), default=-1)
    commits = [path for path, (found, _) in names.items() if found and newest < int(found[1]) <= version]
    return [*(path for path, number in checkpoints.items() if number == newest), *commits]
